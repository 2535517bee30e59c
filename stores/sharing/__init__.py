"""Who may see which result."""
