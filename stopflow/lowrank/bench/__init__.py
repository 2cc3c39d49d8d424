"""Benchmarks of the training step against dense and reference implementations."""
