"""Which workbook columns tell conditions apart, and whether a reagent is in excess."""

import numpy as np
import pytest
from lab_shots import decay, noisy, shot

from stopflow.kinetics.analysis import analyse_experiment, analyse_lab, condition_rows
from stopflow.kinetics.secondary.points import build_points, coordinate_of, group_points
from stopflow.kinetics.verdicts.workbook_columns import partner_of, telling_columns
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


@pytest.mark.parametrize("header", ["Remark", "Comment (by hand)", "note", "Operator"])
@pytest.mark.parametrize("different", [2, 4])
def test_remarks_keep_replicates_together(
    header: str, different: int, rng: np.random.Generator
) -> None:
    cells = [
        {header: f"at {number % different} o'clock", "Fitted k": f"{number}.1"}
        for number in range(4)
    ]
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


@pytest.mark.parametrize(
    ("amount_M", "partner", "verdict", "said"),
    [
        (10e-3, "2", "PASS", ""),
        (9.9e-3, "2", "WARN", "4.95-fold (2 mM in the column Enzyme (mM) against 9.9 mM)"),
        (4e-3, "2", "WARN", "2-fold"),
        (3.9e-3, "2", "FAIL", "1.95-fold"),
        (2e-3, "10", "PASS", ""),
        (2e-3, "9.8", "WARN", "4.9-fold (9.8 mM"),
        (2e-3, "1", "WARN", "(1 mM in the column Enzyme (mM) against 2 mM)"),
        (3e-3, "0.9", "WARN", "(900 µM in the column Enzyme (mM) against 3000 µM)"),
    ],
)
def test_the_limits_of_the_excess_count_as_enough(
    amount_M: float, partner: str, verdict: str, said: str, rng: np.random.Generator
) -> None:
    made = lab_of(rng, [{"Enzyme (mM)": partner}] * 3, k=[20.0] * 3, conc=[amount_M] * 3)
    (row,) = condition_rows(analyse_lab([analyse_experiment(made)]).experiments[0])
    assert row["verdict"] == verdict
    assert said in row["reason"]


@pytest.mark.parametrize(
    ("header", "texts", "expected"),
    [
        ("Buffer", (("A", "A"), ("B", "B")), {"Buffer"}),
        ("Buffer", (("A",), ("B",)), set()),
        ("Buffer", (("A", "A"), ("A", "A")), set()),
        ("Buffer", (("A", "B"), ("A", "B")), set()),
        ("pH", (("5",), ("7",)), {"pH"}),
        ("pH", (("7",), ("7",)), set()),
    ],
)
def test_columns_describe_the_mixture_where_replicates_agree_in_them(
    header: str, texts: tuple[tuple[str, ...], ...], expected: set[str], rng: np.random.Generator
) -> None:
    """Two conditions, of two concentrations, with what their shots have in one column."""
    cells = [{header: text} for group in texts for text in group]
    conc = [amount for amount, group in zip((5e-5, 1e-4), texts, strict=True) for _ in group]
    lab = analyse_experiment(lab_of(rng, cells, k=[20.0] * len(cells), conc=conc))
    points = build_points([lab])
    assert {name for point in points for name, _ in point.extra} == expected


def test_a_column_that_says_no_more_than_the_substrate_describes_nothing(
    rng: np.random.Generator,
) -> None:
    shots = tuple(
        shot(
            noisy(rng, decay()),
            file=f"{name}_{amount}_{number}.bka",
            conditions=Conditions(concentration_M=amount, substrate=name, extra={"Salt": salt}),
        )
        for name, salt in (("A", "KCl"), ("B", "NaCl"))
        for amount in (5e-5, 1e-4)
        for number in range(2)
    )
    points = build_points([analyse_experiment(Experiment(name="lab", shots=shots))])
    assert len(points) == 4
    assert {point.extra for point in points} == {()}


def test_points_without_the_coordinate_and_groups_of_two_values_are_no_plot(
    rng: np.random.Generator,
) -> None:
    shots = [
        shot(
            noisy(rng, decay()),
            file=f"{amount}_{kelvin}.bka",
            conditions=Conditions(concentration_M=amount, temperature_K=kelvin),
        )
        for amount, kelvin in (
            *((amount, 298.15) for amount in (5e-5, 1e-4, 2e-4, None)),
            *((amount, 310.15) for amount in (5e-5, 1e-4)),
        )
    ]
    lab = analyse_experiment(Experiment(name="lab", shots=tuple(shots)))
    points = build_points([lab])
    assert len(points) == 6
    (group,) = group_points(points, leave_out="concentration")
    assert {coordinate_of(point, "temperature") for point in group} == {298.15}
    assert sorted(coordinate_of(point, "concentration") or 0 for point in group) == [
        5e-5,
        1e-4,
        2e-4,
    ]


@pytest.mark.parametrize(
    ("entries", "tells"),
    [
        (("a", "a", "b", "b"), True),  # every entry stands at two shots
        (("a", "a", "a", "b"), False),  # one stands alone: a remark
        (("a", "a", "a", "a"), False),
    ],
)
def test_a_column_of_unknown_meaning_tells_where_every_entry_is_repeated(
    entries: tuple[str, ...],
    tells: bool,  # noqa: FBT001
) -> None:
    shots = [Conditions(concentration_M=1e-5, extra={"Batch": entry}) for entry in entries]
    assert telling_columns(shots) == (("Batch",) if tells else ())


@pytest.mark.parametrize(("cell", "amount_M"), [("2", 2e-6), ("0", None), ("-1", None)])
def test_a_reagent_that_is_not_there_is_no_partner(cell: str, amount_M: float | None) -> None:
    shot = Conditions(concentration_M=1e-5, extra={"Enzyme (µM)": cell})
    found = partner_of(shot, largest_M=1e-5)
    expected = None if amount_M is None else ("Enzyme (µM)", pytest.approx(amount_M), True)
    assert found == expected
