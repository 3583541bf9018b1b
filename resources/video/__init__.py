"""Video files: containers, packets, and decoded frames."""
