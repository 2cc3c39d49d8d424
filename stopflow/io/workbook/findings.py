"""What is found while a sheet is read: findings of one kind are one problem with a count."""

from dataclasses import dataclass, field, replace

from stopflow.errors import and_more
from stopflow.io.workbook.grid import Sheet
from stopflow.trace import Level, Problem, Topic


@dataclass(slots=True, kw_only=True)
class _Finding:
    """The first problem of a kind, how many there are, and what stands behind their number."""

    problem: Problem
    tail: str
    count: int = 1
    last_where: str = ""


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects what is found in one sheet."""

    sheet: Sheet
    _found: dict[tuple[object, ...], _Finding] = field(default_factory=dict)

    def add(
        self,
        where: str,
        found: str,
        expected: str = "",
        level: Level = "error",
        *,
        kind: str = "",
        rule: str = "",
        tail: str = "",
        topic: Topic = "",
    ) -> None:
        """Add a finding.

        Parameters
        ----------
        kind
            Findings of the same kind and level are one problem: the first, and how many more there
            are. ``""`` for a finding that stands alone.
        rule
            The rule of the problem, where the finding stands alone in its sheet.
        tail
            Continues `found` behind that count.
        """
        key = (level, kind) if kind else (level, where, found, expected, tail)
        if key not in self._found:
            problem = Problem(
                self.sheet.book,
                found,
                where=where,
                expected=expected,
                level=level,
                topic=topic,
                rule=kind or rule,
            )
            self._found[key] = _Finding(problem=problem, tail=tail)
        elif kind and where not in (self._found[key].problem.where, self._found[key].last_where):
            self._found[key].count += 1
            self._found[key].last_where = where

    def problems(self) -> list[Problem]:
        """Return the problems, in the order in which the first of each kind was found."""
        return [
            replace(
                item.problem,
                found=item.problem.found + and_more(item.count - 1, "more like it") + item.tail,
            )
            for item in self._found.values()
        ]

    def __bool__(self) -> bool:
        return bool(self._found)
