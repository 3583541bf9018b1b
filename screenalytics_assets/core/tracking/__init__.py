"""From detections to tracks: each face followed through its shot."""
