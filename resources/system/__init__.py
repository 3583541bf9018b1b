"""The process and its machine: paths, locks, memory, threads."""
