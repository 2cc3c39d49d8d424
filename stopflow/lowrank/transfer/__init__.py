"""From one network to another: row-space coordinates, compression, low-rank adaptation."""
