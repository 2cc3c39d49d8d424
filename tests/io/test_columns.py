"""Headers as labs write them, against what they mean."""

import pytest

from stopflow.io.units import fold_unit
from stopflow.io.workbook.headers import fold_name, match_headers, parse_header
from stopflow.io.workbook.vocabulary import QUANTITIES


@pytest.mark.parametrize(
    ("text", "quantity", "factor"),
    [
        ("Filename", "file", None),
        ("FILE NAME", "file", None),
        ("X_start", "start", None),
        ("x_start", "start", None),
        ("Start", "start", None),
        ("Start (ms)", "start", 1e-3),
        ("x_start [s]", "start", 1.0),
        ("Rate", "rate", None),
        ("Rate (s-1)", "rate", 1.0),
        ("Rate (s⁻¹)", "rate", 1.0),
        ("Rate [1/min]", "rate", 1 / 60),
        ("k", "rate", None),
        ("kobs", "rate", None),
        ("k_obs / s^-1", "rate", 1.0),
        ("k_per_s", "rate", 1.0),
        ("kobs, min-1", "rate", 1 / 60),
        ("[S] (µM)", "concentration", 1e-6),
        ("[S] (\u03bcM)", "concentration", 1e-6),
        ("[s] nM", "concentration", 1e-9),
        ("Conc.", "concentration", None),
        ("conc in mM", "concentration", 1e-3),
        ("concentration_M", "concentration", 1.0),
        ("Substrate (mM)", "concentration", 1e-3),
        ("[NADH] (µM)", "concentration", 1e-6),
        ("Konzentration (mmol/l)", "concentration", 1e-3),
        ("Temperature (°C)", "temperature", 1.0),
        ("T / K", "temperature", 1.0),
        ("Température (°C)", "temperature", 1.0),
        ("temperature_K", "temperature", 1.0),
        ("Temp.", "temperature", None),
        ("Ionic strength (mM)", "ionic_strength", 1e-3),
        ("I (M)", "ionic_strength", 1.0),
        ("Substrate", "substrate", None),
        ("Replicate", "replicate", None),
        ("Channel", "channel", None),
        ("Dead time (ms)", "dead_time", 1e-3),
        ("dead_time_s", "dead_time", 1.0),
    ],
)
def test_known_headers(text: str, quantity: str, factor: float | None) -> None:
    header = parse_header(text)
    assert header is not None
    assert header.usable
    assert header.quantity == quantity
    assert (header.scale.factor if header.scale else None) == factor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Slope",
        "Intercept",
        "Amplitude",
        "K",
        "K (M)",
        "S",
        "T",
        "I",
        "t (s)",
        "Comment",
        "Salt added (mmol/kg)",
        "SCN- after mixing (mM)",
        "Key in the source",
        "Verdict",
    ],
)
def test_headers_without_a_meaning(text: str) -> None:
    assert parse_header(text) is None


@pytest.mark.parametrize("text", ["Rate (fit)", "Rate (M-1 s-1)", "Rate / mM", "Conc. (mg/ml)"])
def test_a_known_name_with_an_unknown_unit_is_not_used(text: str) -> None:
    header = parse_header(text)
    assert header is not None
    assert not header.usable
    chosen, passed_over = match_headers(["Filename", text])
    assert set(chosen) == {"file"}
    assert passed_over == {1: header}


def test_the_best_known_name_wins_wherever_it_stands() -> None:
    chosen, passed_over = match_headers(["[E] (nM)", "k", "Name", "Rate (s-1)", "File", "[S] (mM)"])
    assert {key: column for key, (column, _) in chosen.items()} == {
        "rate": 3,
        "file": 4,
        "concentration": 5,
    }
    assert set(passed_over) == {0, 1, 2}


def test_the_table_is_in_folded_spelling_and_unambiguous() -> None:
    names = [name for quantity in QUANTITIES.values() for name in quantity.names]
    assert len(names) == len(set(names))
    assert all(fold_name(name) == name for name in names)
    for quantity in QUANTITIES.values():
        beside = quantity.unit_names + quantity.weak_names
        assert all(fold_name(name) == name for name in beside)
        assert not set(beside) & set(quantity.names)
        assert all(fold_unit(unit) == unit for unit in quantity.units or {})
        assert not quantity.assumed or fold_unit(quantity.assumed) in (quantity.units or {})
