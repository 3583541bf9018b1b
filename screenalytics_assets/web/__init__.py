"""The web server of ``screenalytics ui``: Dagster's, behind a guard against other web pages."""
