"""Model packs, and the detectors and embedders that run them."""
