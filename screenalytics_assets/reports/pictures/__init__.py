"""The pictures of the UI and the reports."""
