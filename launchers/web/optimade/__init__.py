"""Results as an OPTIMADE database."""
