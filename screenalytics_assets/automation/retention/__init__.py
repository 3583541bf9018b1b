"""Episodes that are retired, and the record that stays."""
