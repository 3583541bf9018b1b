"""Metrics, screen time and the report of an episode."""
