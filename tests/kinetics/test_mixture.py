"""Which workbook columns tell conditions apart, and whether a reagent is in excess."""

import numpy as np
import pytest
from lab_shots import decay, noisy, shot

from stopflow.kinetics.analysis import analyse_experiment, analyse_lab, condition_rows
from stopflow.trace import Conditions, Experiment


def lab_of(
    rng: np.random.Generator, cells: list[dict[str, str]], *, k: list[float], conc: list[float]
) -> Experiment:
    """One shot for each row of further columns."""
    return Experiment(
        name="lab",
        shots=tuple(
            shot(
                noisy(rng, decay(rate)),
                file=f"shot_{number}.bka",
                conditions=Conditions(concentration_M=amount, temperature_K=298.15, extra=extra),
            )
            for number, (extra, rate, amount) in enumerate(zip(cells, k, conc, strict=True))
        ),
    )


def test_a_ph_series_is_not_pooled(rng: np.random.Generator) -> None:
    """Three pH values of three shots each are three conditions, with their own rates."""
    cells = [{"pH": text} for text in ("5", "7", "9") for _ in range(3)]
    k = [rate for rate in (10.0, 20.0, 40.0) for _ in range(3)]
    rows = condition_rows(analyse_experiment(lab_of(rng, cells, k=k, conc=[5e-5] * 9)))
    assert [row["mixture"] for row in rows] == ["pH 5", "pH 7", "pH 9"]
    assert [row["shots"] for row in rows] == [3, 3, 3]
    for row, true in zip(rows, (10.0, 20.0, 40.0), strict=True):
        assert row["k_per_s"] == pytest.approx(true, rel=0.02)
    assert {row["verdict"] for row in rows} == {"PASS"}


def test_remarks_that_differ_from_shot_to_shot_keep_replicates_together(
    rng: np.random.Generator,
) -> None:
    cells = [{"Remark": f"at {number} o'clock", "Fitted k": f"{number}.1"} for number in range(4)]
    rows = condition_rows(analyse_experiment(lab_of(rng, cells, k=[20.0] * 4, conc=[5e-5] * 4)))
    assert [(row["mixture"], row["shots"]) for row in rows] == [("", 4)]


@pytest.mark.parametrize(
    ("header", "partner", "verdicts"),
    [
        ("[enzyme] (µM)", "2", ["FAIL", "WARN", "PASS"]),
        ("Enzyme (µM)", "0.1", ["PASS", "PASS", "PASS"]),
        ("Cytochrome c (µM)", "2", ["WARN", "WARN", "PASS"]),
        ("Tris buffer (mM)", "50", ["PASS", "PASS", "PASS"]),
        ("Enzyme", "2", ["PASS", "PASS", "PASS"]),
    ],
)
def test_the_excess_is_checked_where_the_workbook_names_both_reagents(
    header: str, partner: str, verdicts: list[str], rng: np.random.Generator
) -> None:
    conc = [2e-6, 6e-6, 20e-6]
    cells = [{header: partner}] * 9
    made = lab_of(
        rng,
        cells,
        k=[5 + 1.75e6 * amount for amount in conc for _ in range(3)],
        conc=[amount for amount in conc for _ in range(3)],
    )
    lab = analyse_lab([analyse_experiment(made)])
    rows = condition_rows(lab.experiments[0])
    assert [row["verdict"] for row in rows] == verdicts
    told = [row["reason"] for row in rows if row["verdict"] != "PASS"]
    assert all("second-order" in reason and header in reason for reason in told)
    assert all(f"({partner} µM in the column {header} against" in reason for reason in told)


def test_conditions_without_excess_stay_out_of_the_secondary_plot(
    rng: np.random.Generator,
) -> None:
    conc = [1e-6, 2e-6, 10e-6, 20e-6, 40e-6]
    made = lab_of(
        rng,
        [{"[E] (µM)": "2"}] * 15,
        k=[5 + amount * 1e6 for amount in conc for _ in range(3)],
        conc=[amount for amount in conc for _ in range(3)],
    )
    lab = analyse_lab([analyse_experiment(made)])
    used = {len(fit.x) for fit in lab.secondary if fit.kind == "line"}
    assert used == {4}
