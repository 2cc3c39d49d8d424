"""What an ingest says at its end: a table of conditions, the problems, one line."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from stopflow.io.json_files import json_text

SHOWN_CHOICES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The outcome of an ingest, ready to print.

    Attributes
    ----------
    counts
        Shots by verdict.
    problems
        One line each for everything that could not be used as it was.
    grouped
        The same for a reader: those of one kind in one line, without the disagreements.
    errors
        Those of `grouped` that could not be used.
    disagreements
        A line for everything that the sources of the conditions disagree about, and which of
        them was used.
    law_choices
        A sentence for each experiment on its rate law and the next best one.
    hints
        What the program did without what was missing, and what to do about it.
    exit_code
        1 when a file could not be read or a shot not fitted, else 0.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    counts: dict[str, int]
    problems: tuple[str, ...]
    grouped: tuple[str, ...]
    errors: tuple[str, ...]
    disagreements: tuple[str, ...]
    law_choices: tuple[str, ...]
    hints: tuple[str, ...]
    exit_code: int
    headline: str

    @property
    def shown_choices(self) -> tuple[str, ...]:
        """What a terminal shows of `law_choices`: those most in doubt."""
        rest = len(self.law_choices) - SHOWN_CHOICES
        more = (f"... {rest} more in reports",) if rest > 0 else ()
        return self.law_choices[:SHOWN_CHOICES] + more

    @property
    def things(self) -> str:
        """How many things in the input are to be looked at, in words."""
        count = len(self.problems)
        return f"{count} thing{'s' * (count != 1)} in the input to look at"

    def text(self) -> str:
        """Write it down, for `parse_summary`."""
        return json_text(asdict(self))

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "counts": self.counts,
            "conditions": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "problems": list(self.problems),
            "disagreements": list(self.disagreements),
            "law_choices": list(self.law_choices),
            "hints": list(self.hints),
            "summary": self.headline,
        }


def parse_summary(written: bytes | None) -> Summary | None:
    """Read what `Summary.text` wrote; None where that is missing or damaged."""
    try:
        values = json.loads(written or b"")
        return Summary(**{item.name: _frozen(values[item.name]) for item in fields(Summary)})
    except (ValueError, KeyError, TypeError):
        return None


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
