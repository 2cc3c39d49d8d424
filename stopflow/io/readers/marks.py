"""The marks by which a format is told, and how near a content comes to a format.

A reader lists its marks. A content that has all that are needed is of the format; one that lacks a
mark is compared by the weights of those it has, so that a message can name the nearest format and
what is missing from it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from stopflow.io.readers.content import Head

OWN = 1.0
"""Least weight of the marks of a content that speak for one format and no other."""

_NEARLY = 0.85
_ENDS = ",;\t "


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One sign of a format.

    Attributes
    ----------
    what
        What it is, to stand behind "its": ``line "XYDATA"``.
    has
        Whether a content has it.
    weight
        How much it speaks for the format; `OWN` or more for what no other format has.
    needed
        Whether a content without it is of another format.
    begins
        For a mark at the beginning of a file: its words in capitals, to know it when misspelt.
    by_rows
        Whether it is told by rows of numbers, which takes longer and which several formats share.
    """

    what: str
    has: Callable[[Head], bool]
    weight: float
    needed: bool = False
    begins: tuple[str, ...] = ()
    by_rows: bool = False

    def nearness(self, head: Head) -> float:
        """Return its weight, less for a beginning that is only like it, 0 without it."""
        if self.has(head):
            return self.weight
        likeness = max((_likeness(head, words) for words in self.begins), default=0.0)
        return self.weight * likeness if likeness >= _NEARLY else 0.0


def recognises(marks: Sequence[Mark], head: Head) -> bool:
    """Tell whether a content has every mark that is needed."""
    return all(mark.has(head) for mark in marks if mark.needed)


def nearness(marks: Sequence[Mark], head: Head) -> float:
    """Return the weight of the marks that a content has."""
    return sum(mark.nearness(head) for mark in marks)


def missing(marks: Sequence[Mark], head: Head) -> str:
    """Name the first marks that a content lacks, those that are needed before the others."""
    lacking = [mark for mark in marks if not mark.has(head)]
    needed = [mark.what for mark in lacking if mark.needed]
    return " and its ".join(needed[:2] or [mark.what for mark in lacking[:1]])


def first_line(*texts: str, needed: bool = True, what: str = "") -> Mark:
    """Return the mark of a first line that is one of these, case, quotes and commas ignored."""
    words = tuple(text.upper() for text in texts)
    return Mark(
        what=what or f'first line "{texts[0]}"',
        has=lambda head: head.first.strip('"' + _ENDS).upper() in words,
        weight=2 * OWN,
        needed=needed,
        begins=words,
    )


def first_cell(text: str) -> Mark:
    """Return the mark of a file that begins with a text, needed."""
    words = text.upper()
    return Mark(
        what=f'beginning "{text}"',
        has=lambda head: head.first.lstrip('"').upper().startswith(words),
        weight=2 * OWN,
        needed=True,
        begins=(words.rstrip(":"),),
    )


def whole_line(*texts: str, weight: float, needed: bool = False) -> Mark:
    """Return the mark of a line that holds nothing but one of these texts."""
    words = frozenset(text.casefold() for text in texts)
    return Mark(
        what=f'line "{texts[0].strip(chr(34))}"',
        has=lambda head: any(item.strip(_ENDS) in words for item in head.folded),
        weight=weight,
        needed=needed,
    )


def line_beginning(*texts: str, weight: float, needed: bool = False, what: str = "") -> Mark:
    """Return the mark of a line that begins with one of these texts."""
    return Mark(
        what=what or f'line "{texts[0].strip(chr(34))}"',
        has=lambda head: head.has_line(texts),
        weight=weight,
        needed=needed,
    )


def _likeness(head: Head, words: str) -> float:
    """Return how like a text the first cell of a file is, between 0 and 1."""
    cell = re.split(r"[,;\t:]", head.first[:200].strip('"').upper())[0].strip('"' + _ENDS)
    longest = 2 * len(words)
    return SequenceMatcher(None, cell, words).ratio() if 0 < len(cell) <= longest else 0.0
