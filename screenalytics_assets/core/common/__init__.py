"""Shared by all stages: errors, digests, geometry, vectors, intervals, table schemas, file layout, episode ids."""
