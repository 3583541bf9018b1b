"""SHA-256 digests of values and bytes, in hexadecimal."""

import hashlib
import json


def sha256_of(content: bytes) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 of a JSON value in canonical form."""
    return sha256_of(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
