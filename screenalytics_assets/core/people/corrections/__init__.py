"""What people correct in an episode: the corrections, their evidence, and what they make of the identities."""
