"""Shared by all stages: errors, geometry, vectors, intervals, table schemas, file layout, episode ids."""
