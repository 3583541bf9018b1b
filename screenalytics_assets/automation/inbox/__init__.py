"""Turns new videos in the inbox into episodes."""
