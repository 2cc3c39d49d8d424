"""The errors a user can meet: one base class, every message says what to do about it."""

from collections.abc import Collection, Iterable

LONGEST_QUOTE = 200
"""Characters of a value, or of another error, that an error quotes."""
NO_ROOM = "make room on the disk, or choose another place"
"""What to do where something could not be written."""


def and_more(count: int, what: str = "more") -> str:
    """Return `` and 3 more`` to stand behind those that are named; nothing for none."""
    return f" and {count} {what}" if count > 0 else ""


class StopflowError(Exception):
    """Something a user can put right; the message is one or two plain sentences."""


def describe_error(error: BaseException) -> str:
    """Say in a short line what went wrong: our own errors speak, others need their name."""
    text = " ".join(str(error).split())[:LONGEST_QUOTE]
    if isinstance(error, StopflowError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class FormatError(StopflowError):
    """A file does not say what it should.

    Parameters
    ----------
    file
        Name of the file as the user knows it.
    where
        Line, cell or byte, e.g. ``"line 7"`` or ``"sheet 'start_values', cell B4"``; may be empty.
    found
        The offending text, quoted or described.
    expected
        What should have been there.
    rule
        What errors of this kind have in common where `expected` has numbers of the file in it;
        without one, `expected` itself.
    """

    def __init__(
        self, file: str, *, where: str = "", found: str, expected: str, rule: str = ""
    ) -> None:
        self.file = file
        self.where = where
        self.found = found
        self.expected = expected
        self.rule = rule or expected
        place = f"{file}, {where}" if where else file
        super().__init__(f"{place}: found {found}; expected {expected}")


def _quoted(value: object) -> str:
    """Quote a value; a long one is cut, and one too large to be written is described."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} of great size"
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."


class SettingsError(StopflowError):
    """A setting has a name or a value that is not valid; lists what would be."""

    def __init__(self, name: str, value: object, *, valid: Iterable[object] | str) -> None:
        self.name = name
        self.value = value
        listed = valid if isinstance(valid, str) else ", ".join(str(item) for item in valid)
        wrong = f"{name} is missing" if value is None else f"{name} = {_quoted(value)} is not valid"
        super().__init__(f"{wrong}; valid: {listed}")


def require_key(name: str, value: object, valid: Collection[object]) -> None:
    """Refuse a setting that is none of the valid ones, which are listed."""
    if value not in valid:
        raise SettingsError(name, value, valid=valid)


class ModelError(StopflowError):
    """A saved model is missing, cut off, of another version, or does not fit its input."""


class StoreError(StopflowError):
    """What ingest left on disk is missing or cannot be read."""


class TraceError(StopflowError):
    """A trace no number can be made of: too short, constant, not finite, times not increasing."""
