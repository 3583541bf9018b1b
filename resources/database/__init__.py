"""PostgreSQL with pgvector: embedded or your own server."""
