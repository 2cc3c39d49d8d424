"""How many numbers a network holds."""

from stopflow.lowrank.network import Network


def count_parameters(network: Network) -> int:
    """Return the number of trained values, biases included, momenta not."""
    return sum(parameter.numel() for parameter in network.parameters())
