"""Output streams that take any text: whatever their encoding, whatever is in a file's name."""

import codecs
import os
import re
import sys
import unicodedata
from typing import Final, TextIO

READABLE: Final = "stopflow-readable"
"""Name of the way in which characters that a stream lacks are written."""
LIKE: Final = {
    **{"±": "+-", "µ": "u", "μ": "u", "°": " deg ", "–": "-", "—": "-", "−": "-", "×": "x"},
    **{"·": ".", "…": "...", "⁻": "^-", "¹": "1", "²": "2", "³": "3", "≤": "<=", "≥": ">="},
    **{"─": "-", "━": "-", "│": "|", "█": "#", "•": "-", "→": "->", "≈": "~", "σ": "sigma"},
}
"""What stands for a character where it is not to be had."""
_UNSEEN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for the end of a line: they move the cursor, colour, or turn text."""


def visible(text: str) -> str:
    """Write control characters as escapes, so that no name of a file steers a terminal."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def writable(text: str, stream: TextIO) -> str:
    """Return a text as a stream will write it, so that its width can be counted."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, errors=READABLE).decode(encoding)


def prepare_streams() -> None:
    """Let stdout and stderr take any character; where one is closed, what it would say is lost."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=READABLE)


def write_line(text: str, stream: TextIO) -> None:
    """Write a line as the stream is set up; click's own way takes every ASCII stream for UTF-8."""
    stream.write(f"{text}\n")
    stream.flush()


def flush_streams() -> None:
    """Hand over what is still waiting, as long as an error can be answered."""
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)


def _flush(stream: TextIO | None) -> None:
    if stream is not None and not stream.closed:
        stream.flush()


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Put something like them for characters that an encoding lacks: u for µ, e for é, else ?."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(map(_like, found)), error.end


def _like(character: str) -> str:
    if character in LIKE:
        return LIKE[character]
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return plain or "?"


codecs.register_error(READABLE, _readable)
