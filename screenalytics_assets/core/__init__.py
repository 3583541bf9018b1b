"""The pipeline itself: arrays and Arrow tables in, the same out. No Dagster, no I/O, no global state."""
