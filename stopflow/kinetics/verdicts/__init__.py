"""Whether a rate constant can be trusted: rules for single shots and for series of shots."""
