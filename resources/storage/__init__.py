"""Artifacts, videos, photos and corrections, in a folder or a bucket."""
