"""The fit of one trace: screening, scan, Newton steps, and the numbers quoted from the solution."""
