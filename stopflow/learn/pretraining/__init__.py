"""Training on simulated traces alone, which gives the shipped models."""
