"""Pictures and pages for people, made from published artifacts alone."""
