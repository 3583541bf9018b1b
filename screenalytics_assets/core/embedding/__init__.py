"""Which crops of a track are good enough to be embedded."""
