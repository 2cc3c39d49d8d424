"""How a command speaks: the options that every command has, and what they let through."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from stopflow.cli.console import list_problems, progress_bar, say, say_json, say_table, warn
from stopflow.cli.gather import Command, Option, gathers
from stopflow.pipeline.progress import Progress

QUIET: Final = Option(
    Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print nothing but errors; results are in the files."),
    ],
    False,
)
JSON: Final = Option(
    Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")], False
)
DEBUG: Final = Option(
    Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")], False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What a command says: its result on stdout, remarks on stderr.

    With --json the JSON is all of the result; with --quiet there is none, and no remarks.
    """

    as_json: bool = False
    quiet: bool = False

    def progress(self) -> AbstractContextManager[Progress]:
        """Show how far the work is, on a terminal."""
        return progress_bar(quiet=self.quiet)

    def result(self, make: Callable[[], object]) -> None:
        """Print the result for programs, where that is asked for."""
        if self.as_json:
            say_json(make())

    def say(self, text: str) -> None:
        """Print a line of the result."""
        if not (self.quiet or self.as_json):
            say(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], **look: Any) -> None:
        """Print a table of the result, as `say_table` does."""
        if not (self.quiet or self.as_json):
            say_table(columns, rows, **look)

    def listing(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table whose names a user has to type; for programs, a record a row."""
        rows = list(rows)
        self.result(lambda: [dict(zip(columns, row, strict=True)) for row in rows])
        self.table(columns, rows, names_whole=True)

    def written(self, paths: Sequence[Path]) -> None:
        """Print where the results lie, one path a line."""
        for path in paths:
            self.say(f"wrote {path}")

    def notes(self, lines: Iterable[str]) -> None:
        """Print remarks on the work."""
        for line in lines:
            warn(f"note: {line}")

    def set_aside(self, lines: Iterable[str]) -> None:
        """Print what made way for the results, and where it lies now."""
        if not self.quiet:
            self.notes(lines)

    def problems(self, lines: Sequence[str]) -> None:
        """Print what was wrong with the input; --quiet does not hide it."""
        list_problems(lines)


def _voice(given: dict[str, Any]) -> Voice:
    return Voice(as_json=given.get("as_json", False), quiet=given["quiet"])


speaks: Final[Callable[[Command], Command]] = gathers(
    "voice", {"as_json": JSON, "quiet": QUIET, "debug": DEBUG}, make=_voice, last=True
)
"""Give a command --json, --quiet and --debug, after its own options; it gets a `Voice`."""
speaks_plainly: Final[Callable[[Command], Command]] = gathers(
    "voice", {"quiet": QUIET, "debug": DEBUG}, make=_voice, last=True
)
"""The same for a command that has no result, so that there is no --json."""
