"""What is found while a sheet is read: findings of one kind are one problem with a count."""

from dataclasses import dataclass, field

from stopflow.errors import and_more
from stopflow.io.workbook.grid import Sheet
from stopflow.trace import Level, Problem, Topic


@dataclass(slots=True, kw_only=True)
class _Finding:
    where: str
    found: str
    expected: str
    level: Level
    tail: str
    topic: Topic
    rule: str
    count: int = 1
    last_where: str = ""


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects what is found in one sheet.

    Attributes
    ----------
    sheet
        The sheet that the problems name.
    """

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
        where, found, expected, level, topic
            As of `Problem`.
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
            self._found[key] = _Finding(
                where=where,
                found=found,
                expected=expected,
                level=level,
                tail=tail,
                topic=topic,
                rule=kind or rule,
            )
        elif kind and where not in (self._found[key].where, self._found[key].last_where):
            self._found[key].count += 1
            self._found[key].last_where = where

    def problems(self) -> list[Problem]:
        """Return the problems, in the order in which the first of each kind was found."""
        return [
            self.sheet.problem(
                item.where,
                f"{item.found}{and_more(item.count - 1, 'more like it')}{item.tail}",
                expected=item.expected,
                level=item.level,
                topic=item.topic,
                rule=item.rule,
            )
            for item in self._found.values()
        ]

    def __bool__(self) -> bool:
        return bool(self._found)
