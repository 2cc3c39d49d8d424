"""What the report of a model says of its network and of the fit beside it."""

import numpy as np
import pandas as pd
import pytest

from stopflow.report.data import ModelReportData
from stopflow.report.models.comparison_numbers import build_comparison, state_best
from stopflow.report.models.comparison_table import table_note
from stopflow.report.models.numbers import KEPT_STATE, advise_fit, name_layers

LAYERS = [
    {"layer": 1, "type": "vanilla", "inputs": 192, "outputs": 64, "rank": 7},
    {"layer": 2, "type": "dense", "inputs": 64, "outputs": 1, "rank": None},
]


def test_a_network_is_named_by_its_own_layers():
    assert name_layers(LAYERS) == "192 – vanilla 64 (rank 7) – dense 1"
    assert name_layers(None) == ""


@pytest.mark.parametrize(
    ("ours", "fits", "said"),
    [
        (6.0, 1.0, "6.0 times that of the fit"),
        (0.5, 1.0, ""),
        (1.0, np.nan, ""),
        (1, 0, "no error"),
    ],
)
def test_where_the_fit_is_better_the_report_says_so(ours, fits, said):
    metrics = {"test": {"mae_per_s": ours}, "fit_on_test": {"mae_per_s": fits}}
    metrics["test_ratio_to_fit"] = ours / fits if fits > 0 else None
    advice = advise_fit(metrics)
    assert said in advice
    assert bool(advice) == bool(said)


def test_network_and_fit_are_compared_on_the_same_shots():
    """The errors of the table are of all test shots and of those whose true rates are known."""
    metrics = {
        "test": {"mae_per_s": 0.028},
        "fit_on_test": {"mae_per_s": 0.018},
        "test_ratio_to_fit": 1.9,
    }
    assert "1.9 times that of the fit" in advise_fit(metrics)
    assert advise_fit({**metrics, "test_ratio_to_fit": 0.9}) == ""


@pytest.mark.parametrize(("epochs", "said"), [(30, True), (0, False)])
def test_a_comparison_says_that_its_numbers_are_not_those_of_the_last_epoch(epochs, said):
    trained = ModelReportData(
        name="dense",
        metrics={"epochs": epochs, "test": {"mae_per_s": 7.84}},
        history=pd.DataFrame({"epoch": [29, 30], "test_mae_per_s": [7.84, 10.4]}),
        predictions=pd.DataFrame(),
    )
    assert (KEPT_STATE in table_note(build_comparison([trained]))) == said


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ((1000, 50, 100), "the smallest network is dlrt, with 20 times fewer"),
        ((1000, 50, 50), "the smallest networks are dlrt and vanilla, with 20 times fewer"),
        ((50, 50, 50), "that of the fit itself."),
    ],
)
def test_networks_of_the_same_size_are_named_together(parameters, said):
    table = pd.DataFrame(
        {
            "name": ["dense", "dlrt", "vanilla"],
            "parameters": parameters,
            "test_mae_per_s": [1.0, 2.0, 3.0],
            "ratio_to_fit": [10.0, 20.0, 30.0],
        }
    )
    assert said in state_best(table)
