"""Networks, baselines and the fit compared on the same held-out experiments."""
