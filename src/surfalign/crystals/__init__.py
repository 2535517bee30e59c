"""Where crystals come from."""
