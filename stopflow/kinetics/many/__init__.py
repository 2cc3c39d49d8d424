"""Fits of many traces at once, on shared or on individual time grids."""
