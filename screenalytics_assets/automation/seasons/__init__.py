"""Season schedules, their runs, and the state of each episode."""
