"""Facts about a video file, and its shots."""
