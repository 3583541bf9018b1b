"""Alerts about ended runs and breached thresholds."""
