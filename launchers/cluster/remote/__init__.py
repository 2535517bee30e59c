"""The cluster through jobflow-remote."""
