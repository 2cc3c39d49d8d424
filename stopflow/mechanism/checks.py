"""What a scheme needs of the shots it is fitted to."""

from collections.abc import Sequence

from stopflow.mechanism.observations import MechanismShot
from stopflow.mechanism.scheme import Scheme, SchemeError


def require_reacting(
    scheme: Scheme, shots: Sequence[MechanismShot], observed: Sequence[str]
) -> None:
    """Refuse a scheme that cannot be fitted to the shots, by name.

    Raises
    ------
    SchemeError
        No shot, an unknown species, no concentration, or nothing that changes.
    """
    if not shots:
        raise SchemeError("there is no shot to fit the scheme to")
    known = ", ".join(scheme.species)
    for name in observed:
        if name not in scheme.species:
            raise SchemeError(f"the observed species {name!r} is not of the scheme: {known}")
    if not observed:
        raise SchemeError(f"no species is observed; choose from {known}")
    for shot in shots:
        for name in shot.start_M:
            if name not in scheme.species:
                raise SchemeError(f"{shot.name}: {name!r} is not of the scheme: {known}")
        if not any(value > 0 for value in shot.start_M.values()):
            raise SchemeError(f"{shot.name}: every concentration is 0, so that nothing reacts")
    changing = set().union(*(_changing(scheme, shot) for shot in shots))
    for name in observed:
        if name not in changing:
            raise SchemeError(
                f"the observed species {name} never changes: with these concentrations no step "
                "makes or consumes it; those that change are "
                f"{', '.join(item for item in scheme.species if item in changing) or 'none'}"
            )


def _changing(scheme: Scheme, shot: MechanismShot) -> set[str]:
    """Species that some step changes that can proceed from what the mixture holds."""
    present = {name for name, amount in shot.start_M.items() if amount > 0}
    while True:
        going = [step for step in scheme.steps if present.issuperset(step.reactants)]
        reached = present.union(*(step.products for step in going))
        if reached == present:
            break
        present = reached
    return {
        name
        for step in going
        for name in (*step.reactants, *step.products)
        if step.reactants.get(name, 0) != step.products.get(name, 0)
    }
