"""The known people of a show."""
