"""What a crystal's stored surfaces make together."""
