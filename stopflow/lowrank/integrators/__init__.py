"""How orthonormal factors move: fixed rank, rank-adaptive, OIALR."""
