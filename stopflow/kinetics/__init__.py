"""TODO kinetics."""
