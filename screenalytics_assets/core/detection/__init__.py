"""Detects the faces of an episode: which frames, which boxes, their pose, quality and aligned crops."""
