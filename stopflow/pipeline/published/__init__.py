"""Published tables made again: rows as data, runs that are kept, one report."""
