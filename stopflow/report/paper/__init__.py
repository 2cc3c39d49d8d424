"""The typesetter: pages, text flow, tables and figures on paper, independent of kinetics."""
