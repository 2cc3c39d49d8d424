"""Tables as files: CSV, XLSX, and exports to other programs."""
