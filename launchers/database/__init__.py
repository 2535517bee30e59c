"""The local database server."""
