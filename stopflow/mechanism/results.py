"""What the global fit found in a folder, group by group."""

from dataclasses import dataclass

from stopflow.mechanism.contours import Contour
from stopflow.mechanism.determined import Determination
from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.further import Proposal
from stopflow.mechanism.rank import WITHIN_NOISE, Ranked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedGroup:
    """A scheme fitted to the shots of a group.

    Attributes
    ----------
    label
        What the shots share that those of other groups do not; empty for a single group.
    proposals
        What would determine the constants that are open.
    contours
        Of pairs of constants, those that are determined least first; none where none was followed.
    """

    label: str
    fit: GlobalFit
    determination: Determination
    proposals: tuple[Proposal, ...] = ()
    contours: tuple[Contour, ...] = ()

    def headline(self) -> str:
        """Say what was fitted to what, seen by which species, and how well."""
        problem = self.fit.problem
        group = f" at {self.label}" if self.label else ""
        if not self.fit.ok:
            return f"{problem.scheme.text}{group}: {self.fit.reason}"
        ratio = self.fit.best.squares / max(self.fit.dof, 1)
        said = "as expected from the noise"
        if ratio >= WITHIN_NOISE:
            said = f"{ratio:.3g} times the expected"
        shots, mixtures = len(problem.shots), problem.mixtures
        return (
            f"{problem.scheme.text}{group} (signal of {', '.join(problem.observed)}): {shots} "
            f"shot{'s' * (shots > 1)}, {mixtures} mixture{'s' * (mixtures > 1)}; the mean square "
            f"of the residuals is {said}"
        )

    def sentences(self) -> list[str]:
        """Say what is not determined, with the group where there are several."""
        before = f"{self.label}: " if self.label else ""
        return [f"{before}{text}" for text in self.determination.sentences]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedFolder:
    """A scheme fitted to a folder, or the best of those that were ranked.

    Attributes
    ----------
    remarks
        What differs within a group, and what the ranking says.
    left_out
        Shots that were not used, each with its reason.
    ranking
        The schemes compared, best first; empty where one scheme was given.
    """

    scheme: str
    groups: tuple[FittedGroup, ...]
    remarks: tuple[str, ...]
    left_out: tuple[str, ...]
    ranking: tuple[Ranked, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every shot was used, and there are groups and numbers of each."""
        fitted = bool(self.groups) and all(group.fit.ok for group in self.groups)
        return fitted and not self.left_out
