"""TODO lowrank."""
