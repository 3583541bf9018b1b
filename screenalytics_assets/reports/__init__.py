"""Pages and pictures, made from published artifacts only."""
