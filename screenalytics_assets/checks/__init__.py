"""Asset checks, each partitioned by episode."""
