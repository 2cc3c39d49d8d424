"""The answers of the first page, as numbers and sentences: rates, trust, what to repeat."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.laws.table import LAWS
from stopflow.report.paper.rounding import format_digits, format_percent, format_time, set_phase
from stopflow.wording import count_things, join_words

FEW = 4
FURTHER_RATES = {set_phase(name.removesuffix("_per_s")): name for name in LAWS["triple"].rates[1:]}
"""Symbol -> column of the rates beyond the first."""
OF_ALL_PHASES = " of the whole change"
"""What a half-life is of where several phases were fitted."""
WIDENED_FROM = {col.NOISE_INFLATION: 1.0 + 1e-9, col.START_INFLATION: 1.01}
"""Column with a factor on errors -> the factor from which on it is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many shots came to what."""

    experiments: int
    read: int
    unreadable: int
    fitted: int
    passed: int
    warned: int
    refused: int

    @property
    def files(self) -> int:
        """Shots found, readable or not."""
        return self.read + self.unreadable


def count_shots(shots: pd.DataFrame) -> Counts:
    """Count shots by what became of them."""
    verdict = shots[col.VERDICT]
    unreadable = count_unreadable(shots)
    return Counts(
        experiments=int(shots[col.EXPERIMENT].nunique()),
        read=len(shots) - unreadable,
        unreadable=unreadable,
        fitted=int(np.isfinite(shots[col.K_PER_S]).sum()),
        passed=int((verdict == "PASS").sum()),
        warned=int((verdict == "WARN").sum()),
        refused=int((verdict == "FAIL").sum()),
    )


def count_unreadable(shots: pd.DataFrame) -> int:
    """Count shots without a recorded trace, as far as the table tells."""
    if col.TRACE_POINTS in shots:
        return int((shots[col.TRACE_POINTS] == 0).sum())
    return int((shots[col.FIT_STATUS] == "unreadable").sum()) if col.FIT_STATUS in shots else 0


def usable_shots(shots: pd.DataFrame) -> pd.DataFrame:
    """Return the shots that have a rate and were not refused."""
    return shots[np.isfinite(shots[col.K_PER_S]) & (shots[col.VERDICT] != "FAIL")]


def has_several_phases(shots: pd.DataFrame) -> bool:
    """Whether a fit has a second rate, so that its half-life is not that of k."""
    return bool(further_rates(shots))


def further_rates(table: pd.DataFrame) -> dict[str, str]:
    """Return symbols and columns of the rates beyond the first that a table has numbers of."""
    return {
        symbol: name
        for symbol, name in FURTHER_RATES.items()
        if name in table and table[name].notna().any()
    }


def summarise_rates(shots: pd.DataFrame) -> str:
    """Say in a sentence how many rates there are and over which range."""
    known = usable_shots(shots)
    k = known[col.K_PER_S].to_numpy(float)
    if not len(k):
        return "None: no shot gave a usable rate."
    if len(k) == 1:
        return f"One rate constant: {format_digits(k[0], 4)} s⁻¹."
    reactions = list(known.groupby(col.SUBSTRATE, sort=False)) if "substrate" in known else []
    if 1 < len(reactions) <= FEW:
        said = "; ".join(
            f"{name or 'no substrate named'}: {_range(own)}" for name, own in reactions
        )
        return f"{len(k)} rate constants of {len(reactions)} reactions. {said}."
    if len(reactions) > 1:
        return f"{len(k)} rate constants of {len(reactions)} reactions, in the table below."
    low, high = format_digits(k.min(), 3), format_digits(k.max(), 3)
    span = f"from {low} to {high}" if low != high else f"of {low}"
    half = known[col.HALF_LIFE_S].to_numpy(float)
    half = half[np.isfinite(half)]
    lives = ""
    if len(half):
        first, last = format_time(half.min()), format_time(half.max())
        of = OF_ALL_PHASES if has_several_phases(known) else ""
        lives = f"half-lives{of} {first} to {last}" if first != last else f"half-life{of} {first}"
        lives = f" ({lives})"
    return f"{len(k)} rate constants {span} s⁻¹{lives}."


def _range(shots: pd.DataFrame) -> str:
    """Give the rates of one reaction from the smallest to the largest."""
    k = shots[col.K_PER_S].to_numpy(float)
    low, high = format_digits(k.min(), 3), format_digits(k.max(), 3)
    return f"{count_things(len(k), 'rate')}, {low if low == high else f'{low} to {high}'} s⁻¹"


def state_trust(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[str]:
    """Say what speaks for and against the rates, one statement a line."""
    fitted = usable_shots(shots)
    if fitted.empty:
        return ["There is no rate to judge."]
    statements = _precision(fitted)
    statements += _scatter(conditions)
    statements += _noise(fitted)
    statements += _starts(fitted)
    statements += _laws(fitted)
    return statements


def state_left_out(listed: object) -> list[str]:
    """Say which shots decisions left out, and why; `listed` is what the dataset keeps of them."""
    items = listed if isinstance(listed, list) else []
    items = [item for item in items if isinstance(item, Mapping)]
    reasons = Counter(str(item.get("why") or "no reason given") for item in items)
    if not reasons:
        return []
    said = "; ".join(f"{why} ({count_things(n, 'shot')})" for why, n in reasons.most_common(5))
    more = f"; {len(reasons) - 5} other reasons" if len(reasons) > 5 else ""
    left = "was" if len(items) == 1 else "were"
    return [f"{count_things(len(items), 'shot')} {left} left out by decisions.csv: {said}{more}."]


def median_error(shots: pd.DataFrame) -> float:
    """Median relative standard error of k of one usable shot."""
    usable = usable_shots(shots)
    relative = _finite(usable[col.K_STDERR_PER_S] / usable[col.K_PER_S])
    return float(np.median(relative)) if len(relative) else float("nan")


def median_scatter(conditions: pd.DataFrame) -> float:
    """Median scatter between replicates, in standard errors of one shot; NaN without replicates."""
    ratio = _finite(conditions.get(col.SCATTER_RATIO, pd.Series(dtype=float)))
    return float(np.median(ratio)) if len(ratio) else float("nan")


def _precision(fitted: pd.DataFrame) -> list[str]:
    relative = _finite(fitted[col.K_STDERR_PER_S] / fitted[col.K_PER_S])
    if not len(relative):
        return []
    text = f"The standard error of one shot is {format_percent(np.median(relative))} of k"
    if len(relative) > 1:
        text += (
            f" at the median and {format_percent(np.quantile(relative, 0.95))} or less for 95 % of "
            "the shots"
        )
    efficiency = _finite(fitted.get(col.EFFICIENCY, pd.Series(dtype=float)))
    if len(efficiency):
        text += (
            "; the smallest that any unbiased fit could reach (Cramér-Rao bound) is "
            f"{format_digits(float(np.median(efficiency)), 2)} times that"
        )
    return [text + "."]


def _scatter(conditions: pd.DataFrame) -> list[str]:
    ratio = _finite(conditions.get(col.SCATTER_RATIO, pd.Series(dtype=float)))
    if not len(ratio):
        return ["No condition has replicates, so the scatter between shots is not known."]
    typical = median_scatter(conditions)
    median_of = f" (median of {len(ratio)} conditions)" if len(ratio) > 1 else ""
    text = (
        f"Replicate shots scatter {format_digits(typical, 2)} times as much as the standard "
        f"error of one shot suggests{median_of}"
    )
    if typical > 1.5:
        text += "; trust the intervals of the conditions, which come from the replicates"
    return [text + "."]


def _noise(fitted: pd.DataFrame) -> list[str]:
    inflation = list_widened(fitted, col.NOISE_INFLATION)
    if not len(inflation):
        return []
    return [
        f"The noise of {count_things(len(inflation), 'shot')} is correlated from point to point; "
        f"standard errors were multiplied by up to {format_digits(float(inflation.max()), 2)}."
    ]


def _starts(fitted: pd.DataFrame) -> list[str]:
    sources = Counter(str(text) for text in fitted[col.START_SOURCE])
    named = [
        (_start_words(name), f" ({count_things(n, 'shot')})") for name, n in sources.most_common()
    ]
    said = join_words([f"{name}{of if len(named) > 1 else ''}" for name, of in named])
    counted = count_things(len(fitted), "shot")
    text = f"In the {counted} with a usable rate, the start of the fit was {said}"
    both = fitted[fitted[col.START_SOURCE] == "workbook"]
    if col.DETECTED_START_S in both:
        shift = _finite(both[col.DETECTED_START_S] - both[col.START_S])
        if len(shift):
            text += (
                "; where the workbook gives it, the detected start differs from it by "
                f"{format_time(float(np.median(np.abs(shift))), 2)} (median)"
            )
    return [text + ".", *_rest(fitted)]


def _rest(fitted: pd.DataFrame) -> list[str]:
    """Say how much errors were widened for what is left of the artefact."""
    inflation = list_widened(fitted, col.START_INFLATION)
    if not len(inflation):
        return []
    typical, largest = (format_digits(float(of(inflation)), 3) for of in (np.median, np.max))
    return [
        f"In {count_things(len(inflation), 'shot')} part of the artefact may remain after the "
        f"detected start; standard errors were multiplied by {typical}"
        + (f" at the median and by up to {largest}." if largest != typical else ".")
    ]


def _start_words(source: str) -> str:
    known = {
        "workbook": "taken from the workbook",
        "detected": "detected from the trace",
        "first point": "the first point",
        "decision": "set in decisions.csv",
    }
    return known.get(source, source)


def _laws(fitted: pd.DataFrame) -> list[str]:
    shift = _finite(fitted.get(col.MODEL_SHIFT_SIGMA, pd.Series(dtype=float)))
    if not len(shift):
        return []
    moved = int((np.abs(shift) > 2).sum())
    if not moved:
        return ["No rate moves by more than two standard errors when another law is tried."]
    return [
        f"The rates of {moved} of {len(shift)} shots move by more than two standard errors when "
        "another law is tried: look at their residuals."
    ]


def list_widened(shots: pd.DataFrame, cause: str) -> np.ndarray:
    """Return the factors on errors for a cause, a key of `WIDENED_FROM`, that are worth a word."""
    factors = _finite(shots.get(cause, pd.Series(dtype=float)))
    return factors[factors >= WIDENED_FROM[cause]]


def _finite(values: pd.Series) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]
