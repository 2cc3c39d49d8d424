"""Conditions that names, headers and folders say, checked against the workbooks."""
