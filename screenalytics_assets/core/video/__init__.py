"""What a video is, and where its shots begin and end."""
