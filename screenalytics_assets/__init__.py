"""Screenalytics: a Dagster asset graph that finds who is on screen in an episode, and for how long."""
