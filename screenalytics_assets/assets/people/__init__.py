"""Who is who in the episode, and the vectors for search."""
