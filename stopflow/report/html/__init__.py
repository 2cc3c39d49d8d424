"""The live page: every table, every trace and the fit itself in one HTML file."""
