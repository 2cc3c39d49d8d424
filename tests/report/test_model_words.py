"""What the report of a model says of its network and of the fit beside it."""

import numpy as np
import pytest

from stopflow.report.models.numbers import advise_fit, name_layers

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
    advice = advise_fit(metrics)
    assert said in advice
    assert bool(advice) == bool(said)
