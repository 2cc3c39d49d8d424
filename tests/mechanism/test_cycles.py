"""Cycles of a scheme and their detailed balance."""

import pytest

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.cycles import describe_missing_balance, find_cycles
from stopflow.mechanism.scheme import parse_scheme

BOX = "E + S <=> ES; E + I <=> EI; ES + I <=> ESI; EI + S <=> ESI"


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        (BOX, 1),
        ("A <=> B <=> C <=> A", 1),
        ("A <=> B <=> C <=> D <=> A; A <=> C", 2),
        ("E + S <=> ES <=> E + P", 0),
        ("E + S <=> ES -> E + P", 0),
        ("A <=> B -> C -> A", 0),
        ("2 A <=> D; D <=> B + C; B + C <=> 2 A", 1),
    ],
)
def test_cycles_are_counted(text: str, cycles: int) -> None:
    assert len(find_cycles(parse_scheme(text))) == cycles


def test_a_cycle_without_balance_is_said_and_the_relation_it_names_mends_it() -> None:
    scheme = parse_scheme(BOX)
    (said,) = describe_missing_balance(scheme, build_constants(scheme))
    relation = said.split('"')[1]
    powers = {name: 1 for name in ("k1", "k3", "k-2", "k-4")}
    left, right = (side.split(" * ") for side in relation.split(" = "))
    assert {frozenset(left), frozenset(right)} == {
        frozenset(powers),
        frozenset(("k-1", "k-3", "k2", "k4")),
    }
    assert describe_missing_balance(scheme, build_constants(scheme, [relation])) == []
