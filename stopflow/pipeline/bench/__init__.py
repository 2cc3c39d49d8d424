"""Speeds and accuracies beside those of peers, measured in one run."""
