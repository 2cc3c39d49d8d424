"""Cell arithmetic against Python's own, and what is left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopflow.io.workbook.formula import Address, FormulaSheet, Value

CELLS: dict[Address, Value] = {(1, 1): "run", (2, 2): 15.5, (3, 3): "", (10, 27): 2.0}
"""A1, B2, C3 and AA10."""


def evaluate(formula: str) -> Value | None:
    """Return what a cell of that formula shows."""
    cell = (1, 30)
    formulas = {cell: formula}
    return FormulaSheet(lambda at: formulas.get(at, ""), CELLS.get).value(cell)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("=1+2*3", 7.0),
        ("=(1+2)*3", 9.0),
        ("=-2^2", 4.0),
        ("=2^3^2", 64.0),
        ("=10/4-1", 1.5),
        ("=50%", 0.5),
        ("=B2*2", 31.0),
        ("= $B$2 + $AA10", 17.5),
        ("=b2", 15.5),
        ("=B2+C3", 15.5),
        ('=A1&"_"&1&".bka"', "run_1.bka"),
        ('="say ""x"""', 'say "x"'),
        ("=1.5e-3*2", 3e-3),
        ("=--2", 2.0),
    ],
)
def test_arithmetic(formula: str, value: Value) -> None:
    assert evaluate(formula) == value


@pytest.mark.parametrize(
    "formula",
    [
        "=SUM(B2:B9)",
        "=VLOOKUP(A1,B:C,2)",
        "=Sheet2!B2",
        "=Z9",
        "=A1+1",
        "=1/0",
        "=(1",
        "=1+",
        "=1 2",
        "=(-8)^0.5",
        "=10^400",
        "=",
        "=" + "(" * 5000 + "1",
        "='a b'!B2",
        "=B2:C3",
        "=IF(1,2,3)",
    ],
)
def test_what_is_not_arithmetic_is_not_evaluated(formula: str) -> None:
    assert evaluate(formula) is None


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
            lambda part: f"({part[0]}{part[1]}{part[2]})"
        ),
        max_leaves=12,
    )
)
def test_agrees_with_python(expression: str) -> None:
    assert evaluate("=" + expression) == float(eval(expression))
