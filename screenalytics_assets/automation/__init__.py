"""What runs by itself: the inbox, season schedules and their backfills, retirement, declarative automation."""
