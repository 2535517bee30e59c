"""How the database is reached."""
