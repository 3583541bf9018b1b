"""From tracks to identities: clustering, with ids that stay stable between runs."""
