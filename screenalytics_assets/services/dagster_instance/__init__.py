"""The Dagster instance that commands and the UI share: its folder and file, its only UI, and its pools."""
