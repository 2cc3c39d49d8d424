"""Mechanisms of a folder, from its settings to tables and a PDF.

settings  mechanism.toml and options
shots     the shots of a folder as the global fit takes them, in groups
outputs   mechanism.csv, mechanism.pdf, JSON
run       one scheme fitted, or known schemes ranked
"""
