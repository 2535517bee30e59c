"""What a crystal's surfaces make together."""
