"""How commands speak: results on stdout, progress and problems on stderr, exit codes.

Exit code 0: fine. 1: finished, but something could not be read or fitted (listed). 2: wrong use.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from stopflow.cli.elide import elide
from stopflow.cli.streams import visible, writable, write_line
from stopflow.errors import NO_ROOM, describe_error
from stopflow.io.atomic import FULL
from stopflow.io.json_files import json_text
from stopflow.io.locks import PARTIAL
from stopflow.pipeline.progress import Announce, Progress, silent, unannounced

SHOWN_PROBLEMS = 20
SHORT_CELL = 14
"""Cells up to so many characters are never broken or cut."""
LEAST_NAME = 14
"""The first column is cut down to so many characters before the others are broken."""
GAP = 2
"""Characters between columns."""


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress]:
    """Yield `report(what, done, total)`; draws on stderr only when that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description:<24.24}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield report


def announcer(*, quiet: bool) -> Announce:
    """Return what prints a line on stderr at once, above the progress; only on a terminal."""
    return unannounced if quiet or not sys.stderr.isatty() else warn


def say(text: str) -> None:
    """Print a line of the result on stdout."""
    write_line(_fitted(visible(text), sys.stdout), sys.stdout)


def say_json(value: object) -> None:
    """Print a result as JSON on stdout; numbers that do not exist become null."""
    write_line(json_text(value, ascii_only=True), sys.stdout)


def say_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    names_whole: bool = False,
) -> None:
    """Print a table on stdout; text columns left, numbers right, as wide as the terminal.

    Columns that find no room follow below, beside the first column again. The names of the first
    column are made shorter where the others need the room, unless a user has to type them
    (`names_whole`). A table without rows is not printed.
    """
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    columns = [writable(visible(name), sys.stdout) for name in columns]
    numbers = [all(map(_is_number, cells)) for cells in zip(*rows, strict=True)]
    rows = [[writable(visible(cell), sys.stdout) for cell in row] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    least_name = widths[0] if names_whole else LEAST_NAME
    for number, places in enumerate(_columns_within(console.width, widths, least_name)):
        part = [widths[place] for place in places]
        left = console.width - sum(part[1:]) - GAP * len(part)
        drawn = Table(
            box=box.SIMPLE_HEAD,
            title=title if number == 0 else None,
            title_justify="left",
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for place in places:
            name, width = place == 0, widths[place]
            drawn.add_column(
                columns[place],
                justify="right" if numbers[place] else "left",
                no_wrap=name or left >= least_name or width <= SHORT_CELL,
                min_width=min(width, least_name if name else SHORT_CELL),
                max_width=max(left, least_name) if name else None,
                overflow="ellipsis" if name else "fold",
            )
        names = elide([row[0] for row in rows], max(left, least_name))
        for row, shown in zip(rows, names, strict=True):
            cells = [shown, *(row[place] for place in places[1:])]
            drawn.add_row(*(Text(cell, style=VERDICT_STYLES.get(cell, "")) for cell in cells))
        console.print(drawn)


def _columns_within(room: int, widths: Sequence[int], least_name: int) -> list[list[int]]:
    """Part the columns into tables that fit into `room` characters, the first in every one."""
    least = [min(widths[0], least_name), *(min(width, SHORT_CELL) for width in widths[1:])]
    parts, taken = [[0]], least[0]
    for place, width in enumerate(least[1:], start=1):
        if taken + GAP + width > room and len(parts[-1]) > 1:
            parts.append([0])
            taken = least[0]
        parts[-1].append(place)
        taken += GAP + width
    return parts


VERDICT_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


def warn(text: str) -> None:
    """Print a line on stderr."""
    write_line(_fitted(visible(text), sys.stderr), sys.stderr)


def _fitted(text: str, stream: TextIO) -> str:
    """Break a long line between words at the terminal's width; leave it whole in a pipe or file."""
    if not stream.isatty():
        return text
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    return textwrap.fill(
        text,
        width=shutil.get_terminal_size().columns,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def list_problems(problems: Sequence[str]) -> None:
    """Print what was wrong with the input on stderr, the first ones in full."""
    for problem in problems[:SHOWN_PROBLEMS]:
        warn(f"  {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        warn(f"  ... and {len(problems) - SHOWN_PROBLEMS} more")


def say_wrong_use(error: Exception) -> str:
    """Word an error for the user; where a file cannot be reached, say what to do."""
    if not isinstance(error, OSError) or not error.strerror:
        return f"error: {' '.join(str(error).splitlines())}"
    if error.filename is None:
        return f"error: {error.strerror.lower()}; {NO_ROOM}"
    path = Path(os.fsdecode(error.filename))
    shown = _as_named(path)
    reason = error.strerror.lower()
    if error.errno in FULL:
        todo = NO_ROOM
    elif isinstance(error, PermissionError) and path.is_dir():
        todo = "allow writing into that folder, or choose another place"
    elif isinstance(error, PermissionError):
        todo = "close it where it is open (in Excel, in a PDF viewer), or choose another place"
    else:
        todo = "choose another place"
    return f"error: {shown}: {reason}; {todo}"


def say_fault(error: Exception) -> str:
    """Word an error that should never occur: what it was, and what the user can do."""
    return (
        f"error: a fault of the program, not of what you gave it ({describe_error(error)}); "
        "earlier results are as they were; the same command with --debug shows where it is: please "
        "report that"
    )


def _as_named(path: Path) -> Path:
    """Return the place that the user knows for a path in what is only being written."""
    parts = [number for number, part in enumerate(path.parts) if PARTIAL in part]
    if parts:
        return Path(*path.parts[: parts[0]])
    return path.parent if path.name.startswith(".") else path


def command_line() -> str:
    """Return the command as it was given, for the record of a run."""
    return " ".join(["stopflow", *sys.argv[1:]])


def _is_number(cell: str) -> bool:
    stripped = cell.replace("±", "").replace("%", "").replace("–", "").replace(" ", "")
    return stripped == "" or stripped.lstrip("-+").replace(".", "").replace("e", "").isdigit()
