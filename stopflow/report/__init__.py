"""Reports: PDFs, tables and pictures from what ingest and training leave on disk."""
