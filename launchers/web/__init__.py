"""Pages and REST interface of results."""
