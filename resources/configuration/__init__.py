"""The configuration files, read and resolved."""
