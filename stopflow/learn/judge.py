"""Whether a model made from another one is worse than the original.

Both are applied to the same rows. The new model is worse if its mean error exceeds that of the
original by more than the standard error of the latter's, which is what is printed behind it, and
the differences row by row do not scatter so much that it may be chance; if it does by twice that,
whatever they scatter; or if it gives no number.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

ALLOWED: Final = 1.0
"""Standard errors of the original's mean error."""
SURE: Final = 2.0
"""Standard errors, about the 95 % interval of a mean."""


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
    doubt
        Standard error of the mean difference, from the rows in pairs.
    """

    what: str
    before: float
    after: float
    spread: float
    doubt: float
    n: int

    @property
    def worse(self) -> bool:
        """Whether the new model is worse by more than the spread, and not by chance."""
        is_sure = not self.after - self.before <= SURE * self.doubt
        return self.is_above(SURE) or (is_sure and self.is_above(ALLOWED))

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
    with np.errstate(invalid="ignore"):  # a row without a number is no row to trust
        spread, doubt = (
            float(np.std(values, ddof=1) / np.sqrt(count)) if count > 1 else 0.0
            for values in (old, new - old)
        )
    if counted:
        share = (old.sum() + 1.0) / (count + 2.0)
        spread = float(np.sqrt(share * (1.0 - share) / (count + 2.0)))
    return Judgement(
        what=what,
        before=float(old.mean()) if count else float("nan"),
        after=float(new.mean()) if count else float("nan"),
        spread=spread,
        doubt=doubt,
        n=count,
    )
