"""Many fits, one prediction with bounds."""
