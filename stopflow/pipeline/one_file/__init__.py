"""Commands about one file: its fit and picture, its decisions, other formats, its spectrum."""
