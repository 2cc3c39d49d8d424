"""What a rule found: its id, its verdict and the values behind it. The words are made elsewhere.

A finding travels through tables and files as these values. `stopflow.kinetics.verdicts.sentences`
says it in words where somebody reads it, and nothing reads the words again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from stopflow.errors import StoreError

Value = float | int | str | tuple[str, ...]
Values = Mapping[str, Value]
_PARTS: Final = ("rule", "verdict", "values")


class Verdict(StrEnum):
    """How far a number can be trusted; in rising order of trouble."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found.

    Attributes
    ----------
    rule
        Its id, a key of `stopflow.kinetics.verdicts.rules.RULES`.
    verdict
        What it leads to.
    values
        The numbers and names that its sentence holds.
    about
        What it was found in, where that is not the shot or the series itself.
    because
        Findings about other shots that led to it.
    """

    rule: str
    verdict: Verdict
    values: Values
    about: str = ""
    because: tuple["Finding", ...] = ()


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the worst verdict; PASS without findings."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.PASS)


def write_findings(findings: Sequence[Finding]) -> str:
    """Write findings as JSON, for a cell of a table; "" without any."""
    return json.dumps([_as_json(item) for item in findings]) if findings else ""


def parse_findings(text: str) -> tuple[Finding, ...]:
    """Read what `write_findings` wrote.

    Raises
    ------
    StoreError
        When the text is none of that.
    """
    if not text:
        return ()
    try:
        found = json.loads(text)
        return tuple(_from_json(item) for item in found[:])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"the column findings holds {text[:60]!r}, which is no list of findings; ingest again"
        ) from error


def _as_json(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rule": finding.rule,
        "verdict": finding.verdict,
        "values": dict(finding.values),
    }
    if finding.about:
        found["about"] = finding.about
    if finding.because:
        found["because"] = [_as_json(item) for item in finding.because]
    return found


def _from_json(found: Mapping[str, Any]) -> Finding:
    rule, verdict, values = (found[name] for name in _PARTS)
    return Finding(
        rule=str(rule),
        verdict=Verdict(verdict),
        values={
            str(name): tuple(map(str, value)) if isinstance(value, list) else value
            for name, value in values.items()
        },
        about=str(found.get("about", "")),
        because=tuple(_from_json(item) for item in found.get("because", ())),
    )
