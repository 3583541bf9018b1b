"""What the system beneath gives: files, documents, errors."""
