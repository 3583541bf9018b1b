"""Texts without passwords, tokens and keys, for messages and logs."""

import re

_VALUE = r"""('(?:\\.|[^'\\])*(?:'|$)|"(?:\\.|[^"\\])*(?:"|$)|[^\s&]+)"""
_PATTERNS = (
    # The password itself may have an @ or a slash.
    (re.compile(r"://[^\s'\"]*@"), "://…@"),
    # "key" by itself is a configuration key.
    (
        re.compile(
            r"(?i)([\w-]*(?:password|passwd|pwd|passphrase|token|secret|signature|credential|"
            r"(?:access|api|private|account|signing)[_-]?key)[\w-]*)([\"']?\s*[=:]\s*)" + _VALUE
        ),
        r"\1\2…",
    ),
    (re.compile(r"(?i)\b(authorization\s*[=:]\s*)(?:\w+\s+)?\S+|\b(bearer\s+)\S+"), r"\1\2…"),
    # The path of a webhook is all that its sender needs.
    (
        re.compile(
            r"(?i)\b(hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com|"
            r"api\.telegram\.org)/[^\s'\"]+"
        ),
        r"\1/…",
    ),
)


def without_passwords(text: str) -> str:
    """A text without the user names, passwords, tokens and keys in it."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
