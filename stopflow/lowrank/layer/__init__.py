"""Layer families and their parameters."""
