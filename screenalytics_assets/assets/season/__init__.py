"""The screen time of a season."""
