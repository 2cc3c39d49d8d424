"""The methods paragraph: what was done, in the words of a paper."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.laws import LAWS, find_law
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.summary import count_shots, list_widened, usable_shots
from stopflow.report.paper.rounding import format_time
from stopflow.wording import count_things, join_words


def write_methods(data: KineticsReportData) -> str:
    """Compose the paragraph from what was done, with nothing that was not."""
    shots = data.shots
    counts = count_shots(shots)
    fitted = shots[np.isfinite(shots[col.K_PER_S])]
    if fitted.empty:
        return "No shot could be fitted, so there is no method to describe."
    sentences = [
        f"Stopped-flow traces ({count_things(counts.files, 'shot')} in "
        f"{count_things(counts.experiments, 'experiment')}) were analysed with "
        f"{_program(data.provenance)}.",
        *_starts(usable_shots(shots)),
        _laws(fitted),
        "The rate constant was found by variable projection, with the linear parameters "
        "eliminated and without starting values; its 95 % confidence interval is that of the "
        "profile likelihood.",
    ]
    if len(list_widened(shots, col.NOISE_INFLATION)):
        sentences.append(
            "Where residuals were significantly correlated, standard errors were multiplied by "
            "√[(1 + ρ)/(1 − ρ)] with their lag-1 correlation ρ."
        )
    if len(list_widened(shots, col.START_INFLATION)):
        sentences.append(
            "Where a mixing artefact was seen, the shift of k that its rest after the start would "
            "cause if it went on decaying was added in quadrature to the standard error."
        )
    sources = set(data.conditions.get(col.UNCERTAINTY_SOURCE, ()))
    sentences += _replicates(set(data.conditions.get(col.K_FROM, ())))
    if "replicates" in sources and not set(data.conditions.get(col.K_FROM, ())) - {"each"}:
        sentences.append(
            "Rate constants of replicate shots were averaged, and the uncertainty of the mean was "
            "taken from their scatter."
        )
    sentences.append(_outcome(counts.fitted, counts.warned, counts.refused))
    return " ".join(sentences)


def _replicates(how: set[str]) -> list[str]:
    """Say how the shots of a condition were fitted as one, where they were."""
    fits = {
        "mean": "The shots of a condition were averaged on their common times, from the latest of "
        "their starts on, and the mean trace was fitted.",
        "joint": "The shots of a condition were fitted together, with common rate constants and "
        "with amplitudes, baselines and noise of their own.",
    }
    said = [text for name, text in fits.items() if name in how]
    if said:
        said.append(
            "For three or more shots, the uncertainty of these rate constants was taken from the "
            "scatter between the shots (cluster-robust, Student's t)."
        )
    return said


def _program(provenance: Mapping[str, object]) -> str:
    libraries = provenance.get("libraries")
    used = []
    if isinstance(libraries, Mapping):
        used = [f"{name} {libraries[name]}" for name in ("numpy", "scipy") if name in libraries]
    name = f"stopflow {provenance.get('version', '')}".strip()
    return f"{name} ({join_words(used)})" if used else name


def _starts(usable: pd.DataFrame) -> list[str]:
    """Say where fits began and why, of the shots whose rates are usable."""
    if usable.empty:
        return []
    start = usable[col.START_S].to_numpy(float)
    start = start[np.isfinite(start)]
    low, high = (format_time(float(t), 4, exact=True) for t in (start.min(), start.max()))
    window = low if low == high else f"{low} to {high}"
    sources = usable[col.START_SOURCE].value_counts()
    named = {
        "workbook": "the start time recorded by the experimenter",
        "detected": "the end of the mixing artefact detected from the trace",
        "first point": "the first recorded point",
        "decision": "set by hand after looking at the trace",
    }
    said = [
        f"{named.get(str(name), str(name))} ({count_things(int(count), 'shot')})"
        for name, count in sources.items()
    ]
    discarded = f"Data before the start of the fit, t₀ = {window}, were discarded"
    return [f"{discarded}; t₀ was {join_words(said)}."]


def _laws(fitted: pd.DataFrame) -> str:
    named = set(fitted[col.LAW])
    used = [law for law in LAWS if law in named] + sorted(named - set(LAWS))
    said = join_words(find_law(law).equation for law in used)
    return f"Traces were fitted by least squares to {said}."


def _outcome(fitted: int, warned: int, refused: int) -> str:
    text = f"{count_things(fitted, 'shot')} {'was' if fitted == 1 else 'were'} fitted"
    if warned:
        text += f", of which {warned} with a warning"
    return f"{text}; {count_things(refused, 'shot')} rejected." if refused else f"{text}."
