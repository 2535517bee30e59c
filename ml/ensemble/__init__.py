"""Many fits, honest errors."""
