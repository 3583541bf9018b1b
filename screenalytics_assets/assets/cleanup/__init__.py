"""The cleanup: tracks split again, faces chosen again, people resolved and corrected."""
