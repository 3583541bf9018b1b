"""The assets: one module an artifact. Each resolves its configuration, calls its stage, and says what to show."""
