"""The sentence of every rule, in two parts: what was found, and what it means in numbers.

A rule's entry is a pair of texts with the values of its findings in braces, or a function that
gives such a pair where the words depend on the values. The first part stands alone where there is
little room.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from stopflow.errors import SettingsError, StoreError, and_more
from stopflow.kinetics.laws import find_law
from stopflow.kinetics.solver.refusals import say_refusal
from stopflow.kinetics.start.reasons import say_start
from stopflow.kinetics.verdicts.findings import Finding, Value

BETWEEN_REASONS: Final = "; "
NAMED: Final = 3
Parts = tuple[str, str]


def _refused(finding: Finding) -> Parts:
    return _literal(say_refusal(str(finding.values["because"]), finding.values)), ""


def _starts_there(finding: Finding) -> Parts:
    return _literal(say_start(_listed(finding.values["because"]), finding.values)), ""


def _omitted(finding: Finding) -> Parts:
    if "padded" in finding.values:
        return (
            "the last {padded} points all have the value {value:.6g}",
            ": the recording ended at {ended_s:.6g} s and was padded, they are left out",
        )
    has = "1 point has" if finding.values["wrong"] == 1 else "{wrong} points have"
    return (
        f"{has} of {{points}} no usable value",
        " (the first is {value:.3g} at {at_s:.6g} s) and left out",
    )


def _undetermined(finding: Finding) -> Parts:
    known = "side" in finding.values
    meaning = (
        "the data set no {side} limit to it" if known else "its standard error is {error:.0%} of it"
    )
    return "{rate} is not determined", f": {meaning}"


def _residual_runs(finding: Finding) -> Parts:
    stray = finding.values.get("stray", 0)
    if stray:
        points = "1 point lies" if stray == 1 else "{stray} points lie"
        return points + " far off the fit", ": spikes or bubbles, which --robust lets count less"
    ratio = finding.values["ratio"]
    times = "{ratio:.0f}" if isinstance(ratio, float) and ratio >= 1000 else "{ratio:.3g}"
    return (
        "the residuals show a systematic pattern",
        f" (their mean square is {times} times what the noise explains): another rate law, a "
        "bubble, or a start inside the artefact",
    )


def _wrong_law(finding: Finding) -> Parts:
    law = find_law(str(finding.values["law"]))
    return (
        _literal(f"{law.title} describes the trace clearly better"),
        " (AICc lower by {gain:.0f}) and moves k from {k_per_s:.4g} to {rival_k_per_s:.4g} 1/s: "
        + _literal(law.remedy),
    )


def _law_shift(finding: Finding) -> Parts:
    found = "k depends on the rate law"
    if "ratio" in finding.values:
        return found, (
            ": concentrations in a ratio of {ratio:.2g} describe the trace as well as equal ones "
            "and move it by {share:.1%}; give both concentrations, or fix their ratio in "
            "--law second-order-unequal"
        )
    return found, (
        ": another one that the data do not rule out moves it by {share:.1%} ({shift:.1f} standard "
        "errors)"
    )


def _shots(finding: Finding) -> Parts:
    rules, files = (_listed(finding.values[name]) for name in ("rules", "files"))
    named = ", ".join(files[:NAMED]) + and_more(len(files) - NAMED)
    *further, last = (CARRIED_BY_A_SHOT[rule] for rule in rules)
    what = f"{', '.join(further)} or {last}" if further else last
    shots = "shot" if finding.values["of"] == 1 else "shots"
    return f"{len(files)} of {{of}} {shots} with {what}", _literal(f" ({named})")


def _without_outliers(finding: Finding) -> Parts:
    files = _listed(finding.values["files"])
    named = ", ".join(files[:NAMED]) + and_more(len(files) - NAMED)
    return _literal(f"the mean leaves out {named}"), (
        " of {of} shots: with it k is {with_per_s:.4g} ± {with_stderr_per_s:.2g} 1/s instead of "
        "{k_per_s:.4g} ± {k_stderr_per_s:.2g} 1/s"
        if len(files) == 1
        else " of {of} shots: with them k is {with_per_s:.4g} ± {with_stderr_per_s:.2g} 1/s "
        "instead of {k_per_s:.4g} ± {k_stderr_per_s:.2g} 1/s"
    )


def _not_together(finding: Finding) -> Parts:
    of = "of their {of}, " if finding.values["of"] else ""
    return (
        "the shots could not be fitted together",
        f", so that k is the mean of their own rates: {of}{_refused(finding)[0]}",
    )


def _none_fitted(finding: Finding) -> Parts:
    said = dict.fromkeys(say(item) for item in finding.because)
    return "no shot can be used", _literal(f": {', '.join(said)}")


def _excess(_finding: Finding) -> Parts:
    return (
        "the excess is only {excess:.3g}-fold",
        " ({partner:.4g} {unit} in the column {column} against {varied:.4g} {unit}), and "
        "pseudo-first order needs {least:g}-fold: use a second-order rate law or raise the excess",
    )


def _off_curve(finding: Finding) -> Parts:
    known = "chance" in finding.values
    judged = "chance {chance:.1g}" if known else "there are no replicates to judge by"
    return (
        "{rate} against concentration does not follow the {kind}",
        ": the points lie {typical:.1%} off, that at {worst_mM:.4g} mM {worst:+.1%} "
        f"({judged})",
    )


def _literal(text: str) -> str:
    """Keep braces of names that users gave from being taken for values."""
    return text.replace("{", "{{").replace("}", "}}")


def _listed(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


SENTENCES: Final[Mapping[str, Parts | Callable[[Finding], Parts]]] = {
    "refused": _refused,
    "slope": (
        "the baseline is not flat",
        ": it changes by {change:.0%} of the amplitude over the window (reaction not finished, a "
        "slower step, or drift)",
    ),
    "short-window": (
        "the window holds only {kt:.2g} times 1/k",
        ", and below {least:g} a slow reaction cannot be told from a slope: record longer",
    ),
    "slow-sampling": (
        "k is {per_step:.2g} times the sampling rate",
        ": the decay falls between the points, sample faster",
    ),
    "uncertain": ("{rate} is known to {error:.0%} only", ""),
    "undetermined": _undetermined,
    "residual-runs": _residual_runs,
    "saturated": (
        "{share:.1%} of the points stand at the end of the range",
        ": the detector is saturated",
    ),
    "quantised": (
        "the signal has {levels} levels only",
        ", and its noise is below one step: raise the gain",
    ),
    "noisy": ("signal to noise is {ratio:.1f}", ", below {least:g}"),
    "early-start": (
        "the given start lies in the artefact",
        ": from the detected start on, k differs by {shift:.1f} standard errors",
    ),
    "law-shift": _law_shift,
    "wrong-law": _wrong_law,
    "omitted-points": _omitted,
    "time-zero": (
        "this rate law counts time from the start of the reaction",
        ", and the fit begins {since_s:.3g} s after the file's first point or time zero: give the "
        "start, or "
        "dead time and the time when the flow stopped",
    ),
    "no-start": _starts_there,
    "artefact-inside": _starts_there,
    "start-removes": (
        "the detected start at {start_ms:.4g} ms leaves out about {change:.0%} of the change and "
        "{time:.0%} of the record",
        ": shots at other concentrations tell whether that is a fast phase or the mixing "
        "artefact alone, which a start of your own settles as well",
    ),
    "workbook-rate": (
        "the workbook's rate is {theirs_per_s:.4g}/s",
        ", the fit's {k_per_s:.4g}/s",
    ),
    "outlier-shot": (
        "k differs by {size:+.1%} from the other {replicates} replicates",
        " (chance {chance:.1g})",
    ),
    "left-out": (
        "k differs by {size:+.1%} from the other {replicates} replicates",
        " (chance {chance:.1g} in this experiment's scatter): the shot is left out of their mean",
    ),
    "without-outliers": _without_outliers,
    "replicate-drift": (
        "k drifts by {size:+.1%} from the first to the last of {replicates} replicates",
        " (chance {chance:.1g}): temperature not settled, or a solution that ages, repeat this "
        "series",
    ),
    "replicate-scatter": (
        "the replicates scatter {size:.1f} times as much as those of the other conditions",
        " (chance {chance:.1g})",
    ),
    "scatter": ("the shots scatter by {share:.0%} of k", ""),
    "amplitude-falls": (
        "the amplitude is {fall:.0%} smaller than at lower concentration",
        ": part of the reaction is over before the first fitted point (dead time and cut)",
    ),
    "off-curve": _off_curve,
    "little-excess": _excess,
    "no-excess": _excess,
    "shots": _shots,
    "not-together": _not_together,
    "none-fitted": _none_fitted,
}
"""Rule -> its sentence."""

CARRIED_BY_A_SHOT: Final[Mapping[str, str]] = {
    "refused": "no rate",
    "slope": "a baseline that is not flat",
    "short-window": "a window that is too short",
    "slow-sampling": "too few points in the decay",
    "uncertain": "a large error of a rate",
    "undetermined": "a rate that is not determined",
    "residual-runs": "a systematic pattern in the residuals",
    "saturated": "a saturated detector",
    "quantised": "too few levels of the signal",
    "noisy": "a low signal to noise",
    "early-start": "a given start in the artefact",
    "law-shift": "a k that depends on the rate law",
    "wrong-law": "another rate law that is clearly better",
    "omitted-points": "points that are left out",
    "time-zero": "a k that depends on the start of the reaction",
    "no-start": "no part free of artefact",
    "artefact-inside": "an artefact inside the fit",
    "start-removes": "a start that leaves out part of the reaction",
    "workbook-rate": "a k that differs from the workbook's rate",
}
"""Rule about a shot alone -> what the shot has, as a condition says it of several shots."""


def say(finding: Finding) -> str:
    """Say a finding in words; what separates reasons from each other stays out of each.

    Raises
    ------
    StoreError
        When a dataset of another version holds a rule or values that this one does not know.
    """
    return "".join(_parts(finding))


def say_shortly(finding: Finding) -> str:
    """Say what was found, without its explanation."""
    return _parts(finding)[0]


def _parts(finding: Finding) -> Parts:
    try:
        sentence = SENTENCES[finding.rule]
        parts = sentence(finding) if callable(sentence) else sentence
        first, rest = (part.format_map(finding.values) for part in parts)
    except (KeyError, ValueError, TypeError, AttributeError, SettingsError) as error:
        raise StoreError(
            f"the finding {finding.rule!r} with the values {dict(finding.values)!r} has no "
            "sentence in this version of stopflow; ingest again"
        ) from error
    if finding.about:
        first = f"in {finding.about}, {first}"
    return first.replace(BETWEEN_REASONS, ", "), rest.replace(BETWEEN_REASONS, ", ")


def reasons(findings: Iterable[Finding]) -> str:
    """Join the sentences by "; ", which none of them contains."""
    return BETWEEN_REASONS.join(say(finding) for finding in findings)
