"""The reasons of shots and series on paper: grouped by rule, their numbers set for print."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.verdicts.findings import Finding, parse_findings
from stopflow.kinetics.verdicts.sentences import BETWEEN_REASONS, say, say_shortly
from stopflow.report.paper.rounding import set_sentence

NO_REASON = "no reason given"
_WORST_FIRST = ("FAIL", "WARN", "PASS")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """One reason, and how often it was given.

    Attributes
    ----------
    gist
        What was found, without its explanation.
    shots
        How many shots gave it, for this verdict.
    """

    verdict: str
    gist: str
    shots: int


def say_in_print(findings: Sequence[Finding]) -> str:
    """Say findings as print does, one after the other."""
    said = BETWEEN_REASONS.join(set_sentence(say(finding)) for finding in findings)
    return said or NO_REASON


def gist_in_print(findings: Sequence[Finding]) -> str:
    """Say what the first of some findings found, without its explanation."""
    return set_sentence(say_shortly(findings[0])) if findings else NO_REASON


def kind_of(finding: Finding) -> Hashable:
    """Return what findings have in common that differ in their numbers alone."""
    kinds = (v for name, v in finding.values.items() if name == "because" or isinstance(v, str))
    names = tuple(finding.values)
    return finding.rule, finding.about, names, (*kinds,), tuple(map(kind_of, finding.because))


def count_reasons(shots: pd.DataFrame) -> list[ReasonCount]:
    """Group the reasons of warned and refused shots, failures first, then by frequency.

    Reasons that differ in numbers alone are counted together; the first is shown.
    """
    first: dict[Hashable, tuple[Finding, ...]] = {}
    counts: Counter[tuple[str, Hashable]] = Counter()
    own = shots.loc[shots[col.VERDICT] != "PASS", [col.VERDICT, col.FINDINGS]]
    for verdict, described in own.itertuples(index=False):
        findings = parse_findings(str(described))
        groups: list[tuple[Finding, ...]] = [(finding,) for finding in findings]
        for group in groups or [()]:
            key = (str(verdict), tuple(map(kind_of, group)))
            first.setdefault(key, group)
            counts[key] += 1
    order = sorted(counts, key=lambda key: (_WORST_FIRST.index(key[0]), -counts[key]))
    return [
        ReasonCount(verdict=key[0], gist=gist_in_print(first[key]), shots=counts[key])
        for key in order
    ]


def name_reasons(series: pd.DataFrame) -> list[tuple[str, int]]:
    """Count what was found in series, the commonest first; findings of one kind together."""
    first: dict[Hashable, str] = {}
    counts: Counter[Hashable] = Counter()
    for finding in (item for text in series[col.FINDINGS] for item in parse_findings(str(text))):
        kind = kind_of(finding)
        first.setdefault(kind, gist_in_print((finding,)))
        counts[kind] += 1
    return [(first[kind], count) for kind, count in counts.most_common()]
