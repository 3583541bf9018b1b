"""Commands about a show, a season and known people."""
