"""What is learned, in which unit."""
