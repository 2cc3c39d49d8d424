"""The answers of the first page, as numbers and sentences: rates, trust, what to repeat."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stopflow.report.paper.rounding import (
    format_digits,
    format_time,
    set_numbers,
)

VERDICTS = ("PASS", "WARN", "FAIL")
FEW = 4
WIDENED_FROM = {"noise_inflation": 1.0 + 1e-9, "start_inflation": 1.01}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """One reason, how often it was given, and where."""

    verdict: str
    reason: str
    shots: int
    files: tuple[str, ...]


def count_shots(shots: pd.DataFrame) -> Counts:
    """Count shots by what became of them."""
    verdict = shots["verdict"]
    unreadable = count_unreadable(shots)
    return Counts(
        experiments=int(shots["experiment"].nunique()),
        read=len(shots) - unreadable,
        unreadable=unreadable,
        fitted=int(np.isfinite(shots["k_per_s"]).sum()),
        passed=int((verdict == "PASS").sum()),
        warned=int((verdict == "WARN").sum()),
        refused=int((verdict == "FAIL").sum()),
    )


def count_unreadable(shots: pd.DataFrame) -> int:
    """Count shots without a recorded trace, as far as the table tells."""
    if "trace_points" in shots:
        return int((shots["trace_points"] == 0).sum())
    return int((shots["fit_status"] == "unreadable").sum()) if "fit_status" in shots else 0


def split_reasons(reason: object) -> list[str]:
    """Split the text of a `reason` cell into single reasons, their numbers set as in print."""
    return [set_numbers(part.strip()) for part in str(reason or "").split(";") if part.strip()]


def reason_family(reason: str) -> str:
    """Reduce a reason to its kind: numbers in it differ from shot to shot."""
    words = reason.split(" ")
    return " ".join("#" if any(c.isdigit() for c in word) else word for word in words)


def count_reasons(shots: pd.DataFrame) -> list[ReasonCount]:
    """Group the reasons of warned and refused shots, failures first, then by frequency.

    Reasons that differ in numbers alone are counted together; the text of the first is shown.
    """
    first: dict[tuple[str, str], str] = {}
    files: dict[tuple[str, str], list[str]] = {}
    for row in shots[shots["verdict"] != "PASS"].itertuples(index=False):
        for reason in split_reasons(row.reason) or ["no reason given"]:
            key = (str(row.verdict), reason_family(reason))
            first.setdefault(key, reason)
            files.setdefault(key, []).append(str(row.file))
    order = sorted(files, key=lambda key: (VERDICTS[::-1].index(key[0]), -len(files[key])))
    return [
        ReasonCount(
            verdict=key[0], reason=first[key], shots=len(files[key]), files=tuple(files[key])
        )
        for key in order
    ]


def summarise_rates(shots: pd.DataFrame) -> str:
    """Say in a sentence how many rates there are and over which range."""
    k = shots["k_per_s"].to_numpy(float)
    k = k[np.isfinite(k)]
    if not len(k):
        return "None: no shot could be fitted."
    if len(k) == 1:
        return f"One rate constant: {format_digits(k[0], 4)} s⁻¹."
    known = shots[np.isfinite(shots["k_per_s"])]
    reactions = list(known.groupby("substrate", sort=False)) if "substrate" in known else []
    if 1 < len(reactions) <= FEW:
        said = "; ".join(
            f"{name or 'no substrate named'}: {_range(own)}" for name, own in reactions
        )
        return f"{len(k)} rate constants of {len(reactions)} reactions. {said}."
    if len(reactions) > 1:
        return f"{len(k)} rate constants of {len(reactions)} reactions, in the table below."
    low, high = format_digits(k.min(), 3), format_digits(k.max(), 3)
    half = shots["half_life_s"].to_numpy(float)
    half = half[np.isfinite(half)]
    lives = f" (half-lives {format_time(half.min())} to {format_time(half.max())})"
    return f"{len(k)} rate constants from {low} to {high} s⁻¹{lives if len(half) else ''}."


def _range(shots: pd.DataFrame) -> str:
    """Give the rates of one reaction from the smallest to the largest."""
    k = shots["k_per_s"].to_numpy(float)
    low, high = format_digits(k.min(), 3), format_digits(k.max(), 3)
    return f"{count_things(len(k), 'rate')}, {low if low == high else f'{low} to {high}'} s⁻¹"


def state_trust(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[str]:
    """Say what speaks for and against the rates, one statement a line."""
    fitted = shots[np.isfinite(shots["k_per_s"])]
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
    """Median relative standard error of k of one shot."""
    relative = _finite(shots["k_stderr_per_s"] / shots["k_per_s"])
    return float(np.median(relative)) if len(relative) else float("nan")


def median_scatter(conditions: pd.DataFrame) -> float:
    """Median scatter between replicates, in standard errors of one shot; NaN without replicates."""
    ratio = _finite(conditions.get("scatter_ratio", pd.Series(dtype=float)))
    return float(np.median(ratio)) if len(ratio) else float("nan")


def _precision(fitted: pd.DataFrame) -> list[str]:
    relative = _finite(fitted["k_stderr_per_s"] / fitted["k_per_s"])
    if not len(relative):
        return []
    text = f"The standard error of one shot is {_percent(np.median(relative))} of k"
    if len(relative) > 1:
        text += (
            f" at the median and {_percent(np.quantile(relative, 0.95))} or less for 95 % of "
            "the shots"
        )
    efficiency = _finite(fitted.get("efficiency", pd.Series(dtype=float)))
    if len(efficiency):
        text += (
            "; the best any unbiased fit could reach (Cramér-Rao) is "
            f"{format_digits(float(np.median(efficiency)), 2)} of it"
        )
    return [text + "."]


def _scatter(conditions: pd.DataFrame) -> list[str]:
    ratio = _finite(conditions.get("scatter_ratio", pd.Series(dtype=float)))
    if not len(ratio):
        return ["No condition has replicates, so the scatter between shots is not known."]
    typical = median_scatter(conditions)
    median_of = f" (median of {len(ratio)} conditions)" if len(ratio) > 1 else ""
    text = (
        f"Replicate shots scatter {format_digits(typical, 2)} times as much as the error of one "
        f"shot says{median_of}"
    )
    if typical > 1.5:
        text += "; trust the intervals of the conditions, which come from the replicates"
    return [text + "."]


def _noise(fitted: pd.DataFrame) -> list[str]:
    inflation = list_widened(fitted, "noise_inflation")
    if not len(inflation):
        return []
    return [
        f"The noise of {count_things(len(inflation), 'shot')} is correlated from point to point; "
        f"errors were widened by up to {format_digits(float(inflation.max()), 2)}."
    ]


def _starts(fitted: pd.DataFrame) -> list[str]:
    sources = Counter(str(text) for text in fitted["start_source"])
    said = join_words(
        [f"{_start_words(name)} ({count_things(n, 'shot')})" for name, n in sources.most_common()]
    )
    text = f"The start of the fit was {said}"
    both = fitted[fitted["start_source"] == "workbook"]
    if "detected_start_s" in both:
        shift = _finite(both["detected_start_s"] - both["start_s"])
        if len(shift):
            text += (
                "; where the workbook gives it, detection alone would have started "
                f"{format_time(float(np.median(np.abs(shift))), 2)} away (median)"
            )
    return [text + ".", *_rest(fitted)]


def _rest(fitted: pd.DataFrame) -> list[str]:
    """Say how much errors were widened for what is left of the artefact."""
    inflation = list_widened(fitted, "start_inflation")
    if not len(inflation):
        return []
    typical, largest = (format_digits(float(of(inflation)), 3) for of in (np.median, np.max))
    return [
        f"In {count_things(len(inflation), 'shot')} something of the artefact may be left after "
        f"the detected start; errors were widened by {typical} at the median and up to {largest}."
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
    shift = _finite(fitted.get("model_shift_sigma", pd.Series(dtype=float)))
    if not len(shift):
        return []
    moved = int((np.abs(shift) > 2).sum())
    if not moved:
        return ["No rate moves by more than two standard errors when another law is tried."]
    return [
        f"The rates of {moved} of {len(shift)} shots move by more than two standard errors when "
        "another law is tried: look at their residuals."
    ]


def count_things(count: int, thing: str) -> str:
    """Write "1 shot" or "3 shots"."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def join_words(words: Iterable[str]) -> str:
    """Join as a sentence does: "a, b and c"."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def list_widened(shots: pd.DataFrame, cause: str) -> np.ndarray:
    """Return the factors on errors for a cause, a key of `WIDENED_FROM`, that are worth a word."""
    factors = _finite(shots.get(cause, pd.Series(dtype=float)))
    return factors[factors >= WIDENED_FROM[cause]]


def _finite(values: pd.Series) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]


def _percent(fraction: float) -> str:
    return f"{format_digits(100 * float(fraction), 2)} %"
