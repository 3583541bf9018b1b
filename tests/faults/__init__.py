"""What may go wrong outside: damaged files, and room for other faults. Each has seeded tries that can be repeated."""
