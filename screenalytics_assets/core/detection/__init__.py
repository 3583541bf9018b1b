"""From frames to a table of faces with pose and quality, and their aligned crops."""
