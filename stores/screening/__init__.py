"""Which surfaces meet a rule."""
