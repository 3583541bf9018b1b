"""New videos in the inbox become episodes."""
