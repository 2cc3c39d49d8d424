"""Where two sources of a condition disagree: one finding for each pattern."""

from collections.abc import Sequence
from itertools import pairwise
from math import isclose

from stopflow.errors import and_more
from stopflow.io.metadata.sources import SAME, SHOWN, StatedQuantity, Values, parse_told
from stopflow.io.units import CONCENTRATION, find_scale
from stopflow.trace import Problem, Shot, warning_of

MOSTLY = 0.8
"""Share of files that makes a pattern."""

LEAST_FILES = 3


def compare_sources(
    shots: Sequence[Shot], quantity: StatedQuantity, first: str, second: str
) -> list[Problem]:
    """Compare two sources of a quantity: one finding a pattern."""
    is_molar = quantity.noun == "concentration"
    both = [
        at for at in range(len(shots)) if quantity.said[first][at] and quantity.said[second][at]
    ]
    if is_molar and _is_of_another(quantity, both, first, second):
        return []
    wrong = [
        at
        for at in both
        if not quantity.agree(quantity.said[first][at], quantity.said[second][at])
        and not (is_molar and _is_of_a_partner(shots[at], quantity.said[second][at], quantity))
    ]
    if not wrong:
        return []
    at = wrong[0]
    pair = (
        f"{quantity.shown(quantity.said[second][at][0])} in {SHOWN[second]} and "
        f"{quantity.shown(quantity.said[first][at][0])} in {SHOWN[first]}"
    )
    used = f"that of {SHOWN[quantity.used(at)]} is used"
    shift = _shift(quantity, first, second) if is_molar and second in ("name", "header") else 0
    ratio = _common_ratio(quantity, both, first, second) if is_molar else None
    pattern = "shifted" if shift else "values" if ratio is None else "ratio"
    if shift:
        where = "the row above" if shift < 0 else "the row below"
        what = {"name": "the names", "header": "the headers"}[second]
        found = (
            f"rows that seem shifted by one against the files: {what} fit {where}, as in "
            f"{pair}{and_more(len(wrong) - 1)}"
        )
        expected = f"each row beside its own file; {used}"
    elif ratio is not None:
        found = (
            f"concentrations in {SHOWN[second]} that are {ratio:.4g} times those of "
            f"{SHOWN[first]}, as in {pair}{and_more(len(wrong) - 1)}"
        )
        expected = (
            f"one of them before mixing and one after? {used[0].upper()}{used[1:]}, as after "
            "mixing; --mixing-ratio divides it"
        )
    else:
        found = f"{pair}{and_more(len(wrong) - 1, 'more like it')}"
        expected = f"the same {quantity.noun} in both; {used}"
    return [
        warning_of(
            shots[at].file,
            found,
            expected=expected,
            rule=f"sources-differ: {pattern}, {quantity.noun}, {first}, {second}",
            topic="conditions",
        )
    ]


def _is_of_another(quantity: StatedQuantity, both: Sequence[int], first: str, second: str) -> bool:
    """Tell whether one source names the same for every file and the other what was varied.

    The first then speaks of another species, such as the partner that was kept constant.
    """
    one, other = quantity.said[first], quantity.said[second]
    varied = [len({said[at] for at in both}) > 1 for said in (one, other)]
    agreeing = sum(quantity.agree(one[at], other[at]) for at in both)
    return len(both) >= LEAST_FILES and varied[0] != varied[1] and 2 * agreeing < len(both)


def _is_of_a_partner(shot: Shot, values: Values, quantity: StatedQuantity) -> bool:
    """Tell whether a further column of the workbook holds one of these concentrations."""
    partners = []
    for header, text in shot.conditions.extra.items():
        units = [scale for word in _words(header) if (scale := find_scale(CONCENTRATION, word))]
        try:
            partners += [unit.to_ours(float(text.replace(",", "."))) for unit in units]
        except ValueError:
            partners += parse_told(text).concentrations_M
    return bool(partners) and quantity.agree(values, tuple(partners))


def _words(text: str) -> list[str]:
    plain = "".join(char if char.isalnum() or char in "µμ" else " " for char in text)
    return [word for word in plain.split() if word.endswith("M") and len(word) < 3]


def _shift(quantity: StatedQuantity, first: str, second: str) -> int:
    """Return -1 or 1 when the files fit the neighbouring rows far better than their own; else 0."""
    rows, files = quantity.said[first], quantity.said[second]

    def share(step: int) -> float:
        pairs = [
            quantity.agree(rows[place + step], files[place])
            for place in range(len(files))
            if files[place] and 0 <= place + step < len(rows) and rows[place + step]
        ]
        return sum(pairs) / len(pairs) if len(pairs) >= LEAST_FILES else 0.0

    if first != "workbook":
        return 0
    changes = sum(one != other for one, other in pairwise(rows))
    best = max((-1, 1), key=share)
    is_pattern = share(best) >= MOSTLY and share(0) < 1 - MOSTLY / 2 and share(best) > share(0)
    return best if is_pattern and changes >= 2 else 0


def _common_ratio(
    quantity: StatedQuantity, both: Sequence[int], first: str, second: str
) -> float | None:
    """Return the ratio of the second to the first where it is the same, and not 1, for most."""
    pairs = [(quantity.said[first][at], quantity.said[second][at]) for at in both]
    ratios = [two[0] / one[0] for one, two in pairs if len(one) == len(two) == 1 and one[0] > 0]
    if len(ratios) < LEAST_FILES:
        return None
    middle = sorted(ratios)[len(ratios) // 2]
    same = sum(isclose(ratio, middle, rel_tol=SAME) for ratio in ratios)
    is_one = isclose(middle, 1.0, rel_tol=SAME)
    return None if is_one or same < MOSTLY * len(ratios) else middle
