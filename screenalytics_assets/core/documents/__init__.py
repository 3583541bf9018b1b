"""The published JSON documents as frozen types."""
