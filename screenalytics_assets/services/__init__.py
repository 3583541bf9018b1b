"""What the command line, the pages and the tests share."""
