"""The report on a mechanism: the global fit, its constants, and what is not determined."""
