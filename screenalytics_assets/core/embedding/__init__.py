"""From tracks to the crops that are embedded: quality filter and sampling."""
