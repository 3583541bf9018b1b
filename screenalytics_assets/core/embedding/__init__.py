"""From tracks to the face crops that are embedded: quality filter, sampling, limits."""
