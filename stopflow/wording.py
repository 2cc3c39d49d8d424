"""Counts and lists in words."""

from collections.abc import Iterable


def count_things(count: int, thing: str) -> str:
    """Write "1 shot" or "3 shots"."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def join_words(words: Iterable[str]) -> str:
    """Join as a sentence does: "a, b and c"."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
