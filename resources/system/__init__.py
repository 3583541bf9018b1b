"""The process and its machine: paths, files, locks, memory, threads."""
