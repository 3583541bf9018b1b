"""The video, its faces and their tracks."""
