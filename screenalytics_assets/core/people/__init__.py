"""From identities to named people: corrections, merging and the facebank."""
