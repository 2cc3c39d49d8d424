"""The stages wired: paths in, paths out. One module a command; the command line only parses."""
