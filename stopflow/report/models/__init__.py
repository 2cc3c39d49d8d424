"""Reports on trained networks and on their comparison."""
