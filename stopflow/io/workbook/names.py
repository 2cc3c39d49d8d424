"""File names as they are typed into a table, matched to the files of a folder."""

import re
import unicodedata
from collections.abc import Iterable

from stopflow.io.workbook.cells import LONGEST_PHRASE, Cell

_ENDING = re.compile(r"(?:\.(?:bka|bk3a|csv|tsv|txt|dat|asc|dsa|dx|o3a|spc|xlsx|xlsm|xls|ods))+$")
_TO = re.compile(r"\s*(?:[-–—…]|\.\.\.?)\s*|\s+(?:to|bis|à)\s+")
_COUNTED = re.compile(
    r"(?:shots?|runs?|files?|traces?|schuss|schüsse|messung(?:en)?|tirs?|nos?\.?|nrn?\.?|#)?\s*(\d{1,6})",
    re.IGNORECASE,
)
_PIECES = re.compile(r"\d+|[^\W\d_]+")
_MOST_DIGITS = 15
"""Digits of a number of a file."""
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")


def file_key(name: str) -> str:
    """Return what two spellings of a file name share: case and the ending do not count."""
    plain = unicodedata.normalize("NFC", name).strip().casefold()
    return _ENDING.sub("", plain) or plain


class FileNames:
    """The trace files of a folder; when there are none, every name is accepted."""

    def __init__(self, files: Iterable[str] = ()) -> None:
        self._files = {file_key(file): file for file in files}
        pieces: dict[tuple[str, ...], list[str]] = {}
        numbers: dict[int, list[str]] = {}
        for key, file in self._files.items():
            pieces.setdefault(_pieces(key), []).append(file)
            number = _own_number(key)
            if number is not None:
                numbers.setdefault(number, []).append(file)
        self._by_pieces = {item: found[0] for item, found in pieces.items() if len(found) == 1}
        self._by_number = {item: found[0] for item, found in numbers.items() if len(found) == 1}

    def __bool__(self) -> bool:
        return bool(self._files)

    def __contains__(self, name: str) -> bool:
        return file_key(name) in self._files

    def find_similar(self, name: str) -> str | None:
        """Return the one file that differs only in punctuation, zeros before a number or ending."""
        pieces = _pieces(file_key(name))
        return self._by_pieces.get(pieces) if pieces else None

    def match_numbers(self, cells: Iterable[Cell]) -> dict[str, str]:
        """Return the file of each number, as text; nothing when one of them is ambiguous.

        A number belongs to the file in whose name it is the only one or the last part. Each must
        have one such file, and no two the same.
        """
        numbers = [cell for cell in cells if isinstance(cell, float) or cell.isdecimal()]
        files = [self._by_number.get(_whole_number(cell), "") for cell in numbers]
        if not all(files) or len(set(files)) < len(files):
            return {}
        return {as_text(cell): file for cell, file in zip(numbers, files, strict=True)}

    def match_ranges(self, cells: Iterable[Cell]) -> dict[str, tuple[str, ...]]:
        """Return the files of each range such as ``shots 1-5``; nothing when one is ambiguous.

        Every file from the first to the last must be there, and none belong to two of them. Beside
        ranges ``shot 6`` is one file.
        """
        texts = [cell for cell in cells if isinstance(cell, str) and not self._is_name(cell)]
        ranges: dict[str, tuple[str, ...]] = {}
        for text in texts:
            files = self._between(text)
            if files is not None:
                ranges[text] = files
        if not ranges or not all(ranges.values()):
            return {}
        for text in texts:
            number = self._number_at(text)
            if text not in ranges and number in self._by_number:
                ranges[text] = (self._by_number[number],)
        named = [file for text in texts for file in ranges.get(text, ())]
        return ranges if len(set(named)) == len(named) else {}

    def _between(self, text: str) -> tuple[str, ...] | None:
        """Return the files from one number or name to another; None for any other text."""
        for sign in _TO.finditer(text) if len(text) <= LONGEST_PHRASE else ():
            first, last = self._number_at(text[: sign.start()]), self._number_at(text[sign.end() :])
            if first is not None and last is not None:
                if last - first >= len(self._by_number):
                    return ()
                found = [self._by_number.get(number, "") for number in range(first, last + 1)]
                return tuple(found) if len(found) > 1 and all(found) else ()
        return None

    def _number_at(self, text: str) -> int | None:
        """Return the number that an end of a range is or whose file it names."""
        counted = _COUNTED.fullmatch(text.strip())
        if counted:
            return int(counted[1])
        number = _own_number(file_key(text)) if text in self else None
        own = number is not None and self._by_number.get(number) == self._files[file_key(text)]
        return number if own else None

    def _is_name(self, text: str) -> bool:
        return text in self or self.find_similar(text) is not None


def _pieces(key: str) -> tuple[str, ...]:
    """Return the words and numbers of a name."""
    return tuple(piece.lstrip("0") or "0" for piece in _PIECES.findall(key))


def _own_number(key: str) -> int | None:
    """Return the whole number at the end of a name, or the only one in it."""
    numbers = list(_NUMBERS.finditer(key))
    if not numbers:
        return None
    last = numbers[-1]
    if not last[0].isdigit() or (len(numbers) > 1 and last.end() != len(key)):
        return None
    return int(last[0]) if len(last[0]) <= _MOST_DIGITS else None


def as_text(cell: Cell) -> str:
    """Return what stands in a cell as text."""
    return cell if isinstance(cell, str) else f"{cell:.15g}"


def _whole_number(cell: Cell) -> int:
    """Return a number as a whole one; -1, which no file has, for any other."""
    is_whole = len(cell) <= _MOST_DIGITS if isinstance(cell, str) else cell.is_integer()
    return int(cell) if is_whole else -1
