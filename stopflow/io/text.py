"""Bytes of text files from laboratory machines: encodings and line ends."""

import codecs
import os
import re

LINE_END = re.compile(r"\r\n|\r|\n")

MISSING = frozenset(
    "nan n/a na n.a. over overflow ovf ovfl ovrflw inf -inf +inf infinity "
    "1.#inf -1.#inf 1.#qnan 1.#ind -1.#ind "
    "#n/a #num! #div/0! #value! #ref! #nv #zahl! #wert! #bezug! #n/d #nombre! #valeur!".split()
)
"""Words, in lower case, that instruments and spreadsheets write where there is no number."""
_FILLED = frozenset("-+*#")
"""Signs that fill a cell without a number, or one that is too narrow for its number."""


def is_missing(cell: str) -> bool:
    """Tell whether the text of a cell stands for a point that was not recorded."""
    return cell.casefold() in MISSING or (not cell.strip(cell[:1]) and {*cell[:1]} <= _FILLED)


_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def to_single_byte(data: bytes) -> bytes:
    """Return `data` without byte-order mark and, if it was UTF-16, as UTF-8.

    In the result every ASCII character is one byte, so that numbers are read without decoding.
    UTF-16 without a mark is known by its zero bytes: the text starts with ASCII.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            body = data[len(mark) :]
            return body if encoding == "utf-8" else _recode(body, encoding)
    start = data[:8]
    if len(start) == 8 and start[1::2] == bytes(4) and 0 not in start[0::2]:
        return _recode(data, "utf-16-le")
    if len(start) == 8 and start[0::2] == bytes(4) and 0 not in start[1::2]:
        return _recode(data, "utf-16-be")
    return data


def decode(data: bytes) -> str:
    """Decode single-byte data: UTF-8 where it is valid, else Windows-1252.

    The five bytes that Windows-1252 does not define become U+FFFD; no input is refused.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def split_lines(text: str) -> list[str]:
    """Split at CR, LF and CRLF only; the last item is the text after the last line end."""
    return LINE_END.split(text)


def count_lines(data: bytes, start: int, stop: int) -> int:
    """Return the number of line ends (CR, LF or CRLF) between two positions of single-byte data."""
    ends = data.count(b"\n", start, stop) + data.count(b"\r", start, stop)
    return ends - data.count(b"\r\n", start, stop)


def _recode(data: bytes, encoding: str) -> bytes:
    return data.decode(encoding, errors="replace").encode("utf-8")


def file_part(text: str, longest: int) -> str:
    """Return a text as a part of a file name that every system takes."""
    return "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "-" for c in text)[:longest]


def shown_name(name: str) -> str:
    r"""Return a file name for a line of text: bytes that are no UTF-8 as ``\xff``, LF as ``\n``."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text.replace("\r", "\\r").replace("\n", "\\n")
