"""Sensors and schedules: the inbox, season runs, alerts; and the retirement of episodes."""
