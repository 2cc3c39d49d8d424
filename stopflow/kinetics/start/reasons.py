"""Why a fit starts where it does: keys and values, and the sentence of every key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from stopflow.kinetics.solver.refusals import REFUSALS, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReason:
    """Why a fit starts where it does.

    Attributes
    ----------
    keys
        Of `REASONS`, or at the end of `REFUSALS`. The sentence of each holds that of the next one,
        and that of the last stands alone.
    values
        The numbers and names that the sentences hold.
    """

    keys: tuple[str, ...]
    values: Mapping[str, float | str] = field(default_factory=dict)

    def within(self, key: str, **values: float) -> "StartReason":
        """Say this inside another sentence."""
        return StartReason(keys=(key, *self.keys), values={**self.values, **values})

    def __str__(self) -> str:
        return say_start(self.keys, self.values)


def because(key: str, **values: float | str) -> StartReason:
    """Give a reason of the table, with the values for its sentence."""
    return StartReason(keys=(key,), values=values)


def because_of(refusal: Refusal) -> StartReason:
    """Give a refusal as the reason why no start is detected."""
    return StartReason(keys=("undetected", refusal.because), values=refusal.values)


def say_start(keys: tuple[str, ...], values: Mapping[str, object]) -> str:
    """Say why a fit starts where it does."""
    said = ""
    for key in reversed(keys):
        sentence = REASONS[key] if key in REASONS else REFUSALS[key][1]
        said = sentence.format(**values, said=said)
    return said


REASONS: Final[Mapping[str, str]] = {
    "workbook": "as the workbook says",
    "before-data": "as the workbook says; the data begin later, at {first_s:.6g} s",
    "given": "as given",
    "mean": "the mean begins where all shots have begun",
    "first-points": "no artefact seen: the first points follow the fit",
    "follows": "from here on the points follow the fit",
    "artefact": "the artefact is last seen at {seen_ms:.4g} ms",
    "falling-artefact": "the artefact is last seen at {seen_ms:.4g} ms and falls with "
    "{decay_ms:.2g} ms; here 1/50 of the noise is left",
    "short-artefact": "an artefact is seen up to {seen_ms:.4g} ms",
    "law": "no artefact seen: {law} describes the trace from the first point",
    "two-phases": "no artefact seen: two phases describe the trace from the first point, the "
    "faster one of about {fast_per_s:.3g}/s",
    "relaxation": "no artefact seen: a slow relaxation describes the trace from the first point",
    "changing-phase": "no artefact seen: the rate of the short first phase changes from "
    "{low_per_s:.3g} to {high_per_s:.3g}/s between the shots, and an artefact does not depend on "
    "the mixture",
    "nowhere": "no start detected: no part of the trace follows the fit of what comes after",
    "undetected": "no start detected: {said}",
    "at-limit": "the detector is at its limit up to {limit_ms:.4g} ms, then {said}",
    "straight": "a straight line up to {line_ms:.4g} ms, then {said}",
    "more-phases": "{said}; then a reaction of more than one phase",
    "rare-artefact": "no artefact in most shots of the experiment; alone this one would start at "
    "{alone_ms:.4g} ms",
    "as-others": "as others ({said})",
    "other-shots": "as the other shots; alone this one would start at {alone_ms:.4g} ms",
    "shared": "{said}; start shared by the shots, alone {alone_ms:.4g} ms",
}
"""Key -> the sentence with its values in braces; ``{said}`` is that of the next key."""
