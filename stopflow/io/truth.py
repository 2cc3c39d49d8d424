"""The true rate constants that a simulated lab keeps beside its folders, in ``truth.csv``."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from stopflow.io.text import decode, to_single_byte
from stopflow.io.workbook.workbook import TRUTH
from stopflow.trace import Problem

COLUMNS = ("experiment", "file", "k_true_per_s")


def read_truth(root: Path) -> tuple[dict[tuple[str, str], float], list[Problem]]:
    """Read the true rate constants of a simulated lab, s^-1.

    Returns
    -------
    truth
        (experiment, file) -> rate, for every row that gives one; empty where `root` holds no
        ``truth.csv``.
    problems
        One for each row without a rate, and for a file that cannot be read.
    """
    path = root / TRUTH
    if not path.is_file():
        return {}, []
    truth: dict[tuple[str, str], float] = {}
    problems: list[Problem] = []

    def refuse(where: str, found: str, expected: str) -> None:
        experiment = root.resolve().name
        problems.append(
            Problem(TRUTH, found, experiment=experiment, where=where, expected=expected)
        )

    try:
        table = csv.DictReader(io.StringIO(decode(to_single_byte(path.read_bytes())), newline=""))
        missing = [column for column in COLUMNS if column not in (table.fieldnames or ())]
        if missing:
            listed = ", ".join(COLUMNS)
            refuse("line 1", f"no column {', '.join(missing)}", f"the columns {listed}")
            return truth, problems
        for row in table:
            rate = _rate(row["k_true_per_s"])
            if rate is None:
                where = f"line {table.line_num}, k_true_per_s"
                refuse(where, repr(row["k_true_per_s"]), "a number")
            else:
                truth[row["experiment"], row["file"]] = rate
    except (OSError, ValueError, csv.Error) as error:
        refuse("", f"a file that cannot be read to its end ({error})", "comma-separated rates")
    return truth, problems


def true_rates(
    folders: Sequence[tuple[Path, str]],
) -> tuple[dict[tuple[str, str], float], list[Problem]]:
    """Look up the truth that a simulated lab keeps beside its folders, by (experiment, file)."""
    truth: dict[tuple[str, str], float] = {}
    problems: list[Problem] = []
    for place in sorted({folder.parent for folder, _ in folders}):
        names = {folder.name: name for folder, name in folders if folder.parent == place}
        found, unread = read_truth(place)
        problems += unread
        for (experiment, file), rate in found.items():
            if experiment in names:
                truth[names[experiment], file] = rate
    return truth, problems


def _rate(text: str | None) -> float | None:
    try:
        rate = float(text or "")
    except ValueError:
        return None
    return rate if math.isfinite(rate) else None
