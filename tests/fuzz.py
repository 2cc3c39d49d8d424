"""Mutations of valid files, and an attack that counts what a reader does with them.

    report = attack(read, seeds, count=2000, seed=1)

`read` takes the bytes of a mutated file. It may return or raise a `StopflowError`; anything else is
kept as a foreign exception, with the bytes that caused it. The same seed gives the same mutations.
Run as a program (``python tests/fuzz.py MODULE:READER COUNT``), it prints the report with the peak
memory of a process that does nothing else; `attack_alone` does that from a test.
"""

import importlib
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from stopflow.errors import StopflowError

WORDS = (
    *(
        b"",
        b"\0",
        b"\t",
        b" ",
        b"\r",
        b"\n",
        b"\r\n",
        b",",
        b";",
        b".",
        b'"',
        b"'",
        b"=",
        b"<",
        b">",
    ),
    *(
        b"&",
        b"/",
        b"\\",
        b"[",
        b"]",
        b"{",
        b"}",
        b"-",
        b"+",
        b"#",
        b"%",
        b"\xff",
        b"\xa0",
        b"\xc2\xb2",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x1b[31m",
        b"\xef\xbf\xbf",
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
    ),
    *(b"1e-999", b"-0", b"0x1F", b"1_0", b"1,000", b"1.234,5", b"99999999999999999999", b"null"),
    *(b"true", b"None", b"[]", b"{}", b"=A1", b"=1/0", b"A1:XFD1048576", b"1048576", b"4294967295"),
    *(b"-1", b"65536", b"9" * 400, b"9" * 5000, b"a" * 3000, b" " * 3000, b"(" * 3000, b"[" * 3000),
)
"""Pieces that have upset some parser."""

Mutation = Callable[[bytes, Sequence[bytes], np.random.Generator], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What came of an attack.

    Attributes
    ----------
    read, refused
        Files that were read, and those refused with a typed error.
    foreign
        (exception, the file in hexadecimal digits) of the first few that raised anything else.
    foreign_count
        How many those were.
    slowest_s
        Longest processor time of this process for one file, so that a busy machine does not count.
        What a reader hands to a process of its own is limited there.
    peak_mb
        Largest memory of the process and of those it started; 0 where the system does not say.
    """

    read: int = 0
    refused: int = 0
    foreign: list[tuple[str, str]] = field(default_factory=list)
    foreign_count: int = 0
    slowest_s: float = 0.0
    peak_mb: float = 0.0


def mutate(data: bytes, seeds: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return a file damaged in one to four places."""
    for _ in range(rng.integers(1, 5)):
        data = _MUTATIONS[rng.integers(len(_MUTATIONS))](data, seeds, rng)
    return data


def mutate_packed(data: bytes, seeds: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Damage one part of a zip archive and pack it anew, or the archive itself.

    A mutation of packed bytes seldom gets past the checksums; one of a part always does.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)) or rng.random() < 0.2:
        return mutate(data, seeds, rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(packed, "w") as target:
        names = source.namelist()
        sizes = np.array([1 + source.getinfo(name).file_size for name in names], dtype=float)
        chosen = int(rng.choice(len(names), p=sizes / sizes.sum()))
        for number, name in enumerate(names):
            part = source.read(name)
            target.writestr(name, mutate(part, [part], rng) if number == chosen else part)
    return packed.getvalue()


def mutations(
    seeds: Sequence[bytes], count: int, *, seed: int, change: Mutation = mutate
) -> Iterator[bytes]:
    """Yield `count` damaged files."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield change(seeds[number % len(seeds)], seeds, rng)


def attack(
    read: Callable[[bytes], object],
    seeds: Sequence[bytes],
    *,
    count: int,
    seed: int,
    change: Mutation = mutate,
) -> Attack:
    """Give damaged files to a reader and count what comes of it."""
    done = refused = 0
    slowest = 0.0
    foreign: list[tuple[str, str]] = []
    foreign_count = 0
    for data in mutations(seeds, count, seed=seed, change=change):
        start = time.process_time()
        try:
            read(data)
            done += 1
        except StopflowError:
            refused += 1
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            foreign_count += 1
            if len(foreign) < 5:
                foreign.append((repr(error)[:300], data[:20_000].hex()))
        slowest = max(slowest, time.process_time() - start)
    return Attack(
        read=done,
        refused=refused,
        foreign=foreign,
        foreign_count=foreign_count,
        slowest_s=slowest,
        peak_mb=_peak_mb(),
    )


def attack_alone(reader: str, *, count: int, seconds: float = 3600.0) -> Attack:
    """Run an attack in a process of its own, so that its peak memory is that of the attack.

    Parameters
    ----------
    reader
        ``"MODULE:FUNCTION"``; the function takes the number of mutations and returns an `Attack`.
    """
    here = Path(__file__).parent
    paths = [str(here.parent), str(here), str(here / "io"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), reader, str(count)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"the attack itself ended with {done.returncode}: {done.stderr}")
    return Attack(**json.loads(done.stdout.splitlines()[-1]))


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1e6 if sys.platform == "darwin" else 1e3
    whom = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whom) / unit


def _place(data: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(len(data) + 1))


def _flip(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Change single bits."""
    changed = bytearray(data)
    for _number in range(rng.integers(1, 9) if data else 0):
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    noise = rng.integers(0, 256, rng.integers(1, 9), dtype=np.uint8).tobytes()
    return data[:place] + noise + data[place + len(noise) :]


def _cut(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _remove(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + int(rng.integers(1, 40)) :]


def _insert(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return data[:place] + WORDS[rng.integers(len(WORDS))] + data[place:]


def _replace_number(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Put a word in the place of a run of digits."""
    place = next((p for p in range(_place(data, rng), len(data)) if 48 <= data[p] < 58), None)
    if place is None:
        return data
    end = next((p for p in range(place, len(data)) if not 48 <= data[p] < 58), len(data))
    return data[:place] + WORDS[rng.integers(len(WORDS))] + data[end:]


def _repeat(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Repeat a piece up to a hundred times."""
    place = _place(data, rng)
    piece = data[place : place + int(rng.integers(1, 200))]
    return data[:place] + piece * int(rng.integers(2, 100)) + data[place:]


def _splice(data: bytes, seeds: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Go on with the rest of another file."""
    other = seeds[rng.integers(len(seeds))]
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _swap_lines(data: bytes, _: Sequence[bytes], rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    first, second = rng.integers(len(lines), size=2)
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _overwrite, _cut, _remove, _insert, _insert),
    *(_replace_number, _replace_number, _repeat, _splice, _swap_lines),
)


def main() -> None:
    """Run one attack and print its report as JSON."""
    module, _, function = sys.argv[1].partition(":")
    report = getattr(importlib.import_module(module), function)(int(sys.argv[2]))
    print(json.dumps(asdict(report)))  # noqa: T201 (the report is read by attack_alone)


if __name__ == "__main__":
    main()
