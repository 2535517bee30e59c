"""From structures to numbers."""
