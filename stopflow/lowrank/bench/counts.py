"""How many numbers the published code stores for a layer."""

from stopflow.errors import require_key
from stopflow.lowrank.arguments import require_count


def published_count(kind: str, *, n_inputs: int, n_outputs: int, rank: int = 0) -> int:
    """Return the values the published implementation stores for one layer.

    Parameters
    ----------
    kind
        ``dense``: W and b. ``vanilla``: U, S, V, b and a momentum of each. ``dlrt``: the same and
        the previous bases; for its adaptive form `rank` is the largest allowed.
    n_inputs, n_outputs, rank
        Shape of the layer.
    """
    for name, value, low in (
        ("n_inputs", n_inputs, 1),
        ("n_outputs", n_outputs, 1),
        ("rank", rank, 0),
    ):
        require_count(name, value, low=low)
    bases = rank * (n_inputs + n_outputs)
    with_momenta = 2 * (bases + rank**2 + n_outputs)
    counts = {
        "dense": n_outputs * (n_inputs + 1),
        "vanilla": with_momenta,
        "dlrt": with_momenta + bases,
    }
    require_key("layer type", kind, counts)
    return counts[kind]
