"""Rate constants of traces predicted by a saved network, with reliability checks."""
