"""Commands about one episode."""
