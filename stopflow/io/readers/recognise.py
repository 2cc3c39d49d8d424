"""Which reader a content belongs to, and which one it comes nearest to."""

from stopflow.errors import FormatError
from stopflow.io.readers import columns
from stopflow.io.readers.content import Head
from stopflow.io.readers.marks import OWN, missing, nearness, recognises
from stopflow.io.readers.table import READERS, TRACE_ENDINGS
from stopflow.io.text import split_lines

_LEAST = 0.5
"""Weight of marks from which a format is named as the nearest."""

_SHOWN = 40
"""Characters of a first line that a message quotes."""


def find_reader(head: Head) -> str | None:
    """Return the key of the reader of a content; None when it is no trace."""
    return next((key for key, reader in READERS.items() if recognises(reader.marks, head)), None)


def find_nearest(head: Head) -> tuple[str | None, float]:
    """Return the format whose marks weigh most in a content, and their weight; None for none."""
    if not head.text:
        return None, 0.0
    weights = {key: nearness(reader.marks, head) for key, reader in READERS.items()}
    key = max(weights, key=lambda item: weights[item])
    return (key, weights[key]) if weights[key] >= _LEAST else (None, 0.0)


def likeness(head: Head, key: str) -> str:
    """Say what a content that the reader `key` recognises looks like more; "" for nothing else."""
    if any(mark.begins and mark.has(head) for mark in READERS[key].marks):
        return ""  # It begins as its format does.
    words = {
        other: nearness([mark for mark in reader.marks if not mark.by_rows], head)
        for other, reader in READERS.items()
    }
    nearest = max(words, key=lambda other: words[other])
    if nearest == key or words[nearest] < OWN:
        return ""
    reader = READERS[nearest]
    own = nearness(READERS[key].marks, head)
    if recognises(reader.marks, head) or words[nearest] <= own:
        return ""
    return f"what looks like {reader.short} without its {missing(reader.marks, head)}"


def is_damaged_trace(head: Head) -> bool:
    """Tell whether a content that no reader recognises can only be a trace."""
    named = head.name.casefold().endswith(TRACE_ENDINGS)
    return named or find_nearest(head)[1] >= OWN or columns.count_begun_rows(head) is not None


def unknown_format(head: Head) -> FormatError:
    """Say of a content that no reader knows it, what it comes nearest to and what it lacks."""
    nearest, _ = find_nearest(head)
    rows = columns.count_begun_rows(head) if nearest in (None, columns.KEY) else None
    if rows is not None:
        after = f"{rows} row{'s' * (rows != 1)}" if rows else "its header"
        return FormatError(
            head.name,
            where=f"line {len(split_lines(head.text.rstrip()))}",
            found=f"a trace that ends after {after}",
            expected="a whole one; it was cut off, so export or copy it once more",
            rule="cut-off",
        )
    like = nearest or next((key for key in READERS if _is_named(head, key)), None)
    known = f"one of the {len(READERS)} formats that stopflow formats lists"
    return FormatError(
        head.name,
        where="line 1" if head.data.strip() else "",
        found=_looks_like(head, READERS[nearest].short if nearest else ""),
        expected=f"its {missing(READERS[like].marks, head)}, or {known}" if like else known,
    )


def _is_named(head: Head, key: str) -> bool:
    """Tell whether a file has an ending that only files of this format have."""
    endings = set(READERS[key].endings) & set(TRACE_ENDINGS)
    return head.name.casefold().endswith(tuple(endings))


def _looks_like(head: Head, nearest: str) -> str:
    if not head.data.strip():
        return "an empty file"
    if not head.text:
        return f"bytes that are no text, {head.data[:8]!r}"
    cut = repr(head.first[:_SHOWN] + "..." * (len(head.first) > _SHOWN))
    return f"{cut}, which comes nearest to {nearest}" if nearest else f"no trace, but {cut}"
