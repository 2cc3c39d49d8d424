"""Folders of shots to a dataset: read, analysed, kept for the next ingest, gathered, merged."""
