"""The pictures of the UI and the reports."""

MAX_PICTURE_BYTES = 100_000
"""Pictures live in Dagster's event log; larger ones would slow its pages down."""
