"""The crystal and its planes."""
