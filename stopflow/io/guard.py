"""The barrier around one file: its size is checked before it is read, and no failure ends a run.

Whatever goes wrong inside one file becomes a `FormatError` that names the file, so that a folder
lists it as that file's problem and goes on with the rest.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stopflow.errors import FormatError, StopflowError, describe_error

SHOWN = 60
"""Characters of a file's text that a message quotes."""
_MEGABYTE = 1_000_000


@contextmanager
def guarded(file: str, *, expected: str) -> Iterator[None]:
    """Turn every failure of the block into a `FormatError` of one file.

    This is the barrier of one file: errors of the package pass unchanged, an interruption (Ctrl-C)
    passes too, and every other exception of a library becomes a `FormatError`.

    Raises
    ------
    FormatError
        In place of any other exception.
    """
    try:
        yield
    except StopflowError:
        raise
    except OSError as error:
        raise unreadable(file, error.strerror or str(error), expected=expected) from error
    except MemoryError as error:
        raise unreadable(file, "it needs more memory than there is", expected=expected) from error
    except Exception as error:
        raise unreadable(file, describe_error(error), expected=expected) from error


def unreadable(file: str, why: str, *, expected: str) -> FormatError:
    """Return the error of a file that cannot be read at all."""
    return FormatError(file, found=f"a file that cannot be read ({why})", expected=expected)


def read_bytes(path: Path, *, most_bytes: int, expected: str) -> bytes:
    """Read a whole file whose size is checked first.

    Raises
    ------
    FormatError
        When it is larger than `most_bytes`, no ordinary file, or cannot be opened.
    """
    with _opened(path, expected=expected) as file:
        size = os.fstat(file.fileno()).st_size
        # Asked for its size, the file takes no more memory than that; it may grow meanwhile.
        data = b"" if size > most_bytes else file.read(size + 1)
        data += file.read(most_bytes + 1 - len(data)) if len(data) > size else b""
        if max(size, len(data)) > most_bytes:
            raise FormatError(
                path.name,
                found=f"a file of {max(size, len(data)) / _MEGABYTE:.0f} MB",
                expected=f"{expected} of at most {most_bytes / _MEGABYTE:.0f} MB",
            )
        return data


def read_beginning(path: Path, *, most_bytes: int) -> bytes:
    """Read at most so many bytes from the beginning of a file.

    Raises
    ------
    FormatError
        When it is no ordinary file or cannot be opened.
    """
    with _opened(path, expected="a file") as file:
        return file.read(most_bytes)


@contextmanager
def _opened(path: Path, *, expected: str) -> Iterator[BinaryIO]:
    """Open an ordinary file; a pipe is never waited for."""
    with guarded(path.name, expected=expected):
        if not stat.S_ISREG(path.stat().st_mode):
            raise FormatError(path.name, found="no ordinary file", expected=expected)
        with path.open("rb") as file:
            yield file
