"""Optimisers of factors and of plain tensors."""
