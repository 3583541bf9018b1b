"""Starting runs, in this process or through the daemon, and following them."""
