"""Damaged files of every kind that io reads: typed errors only, in bounded time and memory."""

import numpy as np
import pytest
from attacks import ATTACKS, attack_book, bka_seeds, csv_seeds, ods_seed, xls_seed, xlsx_seed
from fuzz import attack, attack_alone, mutations

from stopflow.errors import StopflowError

pytestmark = pytest.mark.whole

MOST_SECONDS = 10.0
MOST_MB = 1000.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ATTACKS)
def test_damaged_files_are_read_or_refused_with_a_typed_error(kind, full_proof):
    count = 100_000 if full_proof else 2_000
    report = attack_alone(f"attacks:attack_{kind}", count=count)
    assert report.foreign == []
    assert report.read + report.refused == count
    assert report.read > count // 100  # or nothing gets past the first check
    assert report.slowest_s < MOST_SECONDS
    assert report.peak_mb < MOST_MB


def test_the_seeds_themselves_are_read() -> None:
    for name, seeds in {
        "a.xlsx": [xlsx_seed()],
        "a.xls": [xls_seed()],
        "a.ods": [ods_seed()],
        "a.csv": csv_seeds(),
    }.items():
        for seed in seeds:
            report = attack_book([seed], name, 1, seed=0, change=lambda data, *_: data)
            assert (report.read, report.foreign) == (1, [])


def test_the_same_seed_gives_the_same_mutations() -> None:
    first, again = (list(mutations(bka_seeds(), 50, seed=3)) for _ in range(2))
    assert first == again
    assert first != list(mutations(bka_seeds(), 50, seed=4))
    assert len(set(first)) > 40


def test_an_attack_counts_what_is_read_refused_and_foreign() -> None:
    def read(data: bytes) -> None:
        if len(data) % 3 == 1:
            raise StopflowError("refused")
        if len(data) % 3 == 2:
            raise IndexError("foreign")

    report = attack(read, [bytes(np.arange(64, dtype=np.uint8))], count=200, seed=1)
    assert report.read + report.refused + report.foreign_count == 200
    assert min(report.read, report.refused, report.foreign_count) > 20
    assert len(report.foreign) == 5
    assert all("IndexError" in text for text, _ in report.foreign)
