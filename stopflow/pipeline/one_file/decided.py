"""What `decisions.csv` says of one file that a command was given by name."""

from dataclasses import dataclass
from pathlib import Path

from stopflow.errors import TraceError
from stopflow.io.decisions import Decision, load_decisions
from stopflow.io.sorting import DECISIONS
from stopflow.kinetics.start.trimming import crossed_ends
from stopflow.trace import Recording

WHOLE_FILE = 0
"""In place of a channel: only what was decided about the file as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Start and end of a fit in s, given before decided, and a line for all that was decided."""

    start_s: float | None
    end_s: float | None
    said: tuple[str, ...]


def decision_of(file: Path, recorded: Recording, channel: int) -> Decision:
    """Return what was decided about a signal of a file; nothing where there is no decision."""
    return load_decisions(file.parent).of(recorded.name, channel) or Decision(file=file.name)


def decided_window(
    recorded: Recording, decision: Decision, *, start: float | None, end: float | None
) -> Window:
    """Return the window of a fit: what is given, in the file's own unit, goes before a decision.

    Raises
    ------
    TraceError
        When it would end before it begins.
    """
    unit_s = recorded.time_unit_s
    said = []
    if decision.use is False:
        said.append(f"{DECISIONS} leaves this trace out of the results: {decision.note}")
    start_s = None if start is None else start * unit_s
    end_s = None if end is None else end * unit_s
    if start is None and decision.start is not None:
        start_s = decision.start.in_s(unit_s)
        said.append(f"{DECISIONS} sets the start of the fit to {start_s:.6g} s")
    if end is None and decision.end is not None:
        end_s = decision.end.in_s(unit_s)
        said.append(f"{DECISIONS} sets the end of the fit to {end_s:.6g} s")
    crossed = crossed_ends(start_s, end_s)
    if crossed is not None:
        raise TraceError(f"{recorded.name}: {crossed.reason}")
    return Window(start_s=start_s, end_s=end_s, said=tuple(said))
