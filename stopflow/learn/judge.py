"""Whether a model that was made from another one is worse than that.

Both are run on the same rows. The spread is the standard error of the mean error of the first;
worse is what lies more than `ALLOWED` of them above it. A number that does not exist is worse.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

ALLOWED: Final = 2.0
"""Standard errors; about the 95 % interval of a mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Mean errors of a model and of one made from it, on the same n rows.

    Attributes
    ----------
    what
        Name and unit of the error, e.g. ``"MAE (1/s)"``.
    before, after
        The two.
    spread
        Standard error of `before`.
    """

    what: str
    before: float
    after: float
    spread: float
    n: int

    @property
    def worse(self) -> bool:
        """Whether the new model is worse by more than the spread."""
        return self.is_above(ALLOWED)

    def is_above(self, allowed: float) -> bool:
        """Whether the new error is more than so many spreads above the old one."""
        return not self.after <= self.before + allowed * self.spread


def judge(what: str, before: ArrayLike, after: ArrayLike, *, counted: bool = False) -> Judgement:
    """Compare errors (n,) of each row before and after; rows without one before are left out.

    Parameters
    ----------
    counted
        Errors are 0 or 1: the spread is that of a share with one hit and one miss added, so that
        a few rows without any error do not promise that there never is one.
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    known = np.isfinite(old)
    old, new = old[known], new[known]
    count = len(old)
    spread = float(np.std(old, ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    if counted:
        share = (old.sum() + 1.0) / (count + 2.0)
        spread = float(np.sqrt(share * (1.0 - share) / (count + 2.0)))
    return Judgement(
        what=what,
        before=float(old.mean()) if count else float("nan"),
        after=float(new.mean()) if count else float("nan"),
        spread=spread,
        n=count,
    )
