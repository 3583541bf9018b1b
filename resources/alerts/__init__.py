"""The alert outbox and the services that alerts are sent to."""
