"""The fit of one trace: validation, scan, Newton steps, and the numbers quoted from them."""
