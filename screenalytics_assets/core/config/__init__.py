"""The configuration: every key with its type and range, and how the layers combine."""
