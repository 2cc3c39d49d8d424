"""Rate laws and their fits: from a time-voltage trace to a rate constant with an honest error."""
