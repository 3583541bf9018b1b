"""Text of people in plots."""


def plain_label(text: str) -> str:
    """A text that matplotlib draws as it is: a name with dollar signs is not a formula."""
    return text.replace("$", r"\$")
