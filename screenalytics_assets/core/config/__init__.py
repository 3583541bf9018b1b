"""The configuration: its keys with types and ranges, and the layers that set them."""
