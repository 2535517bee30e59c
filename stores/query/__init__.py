"""Questions to the store, and exports."""
