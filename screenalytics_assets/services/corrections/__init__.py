"""Corrections of a published episode."""
