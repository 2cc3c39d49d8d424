"""Bio-Kine ASCII files: header, block of numbers, reader and writer."""
