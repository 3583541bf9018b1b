"""Scores against labelled footage."""
