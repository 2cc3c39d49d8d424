import numpy as np
import pytest

from stopflow.errors import StopflowError
from stopflow.features import FeatureSpec
from stopflow.learn.data import lab_data
from stopflow.learn.evaluate import bias_against_k, compare_with_fit, measure


def test_metrics_by_hand():
    found = measure([1.1, 2.0, np.nan, 8.0], [1.0, 2.0, 3.0, 10.0])
    assert found.n == 3
    assert found.mae_per_s == pytest.approx(0.7)
    assert found.median_relative_error == pytest.approx(0.1)
    assert found.p95_relative_error == pytest.approx(0.19)
    assert measure([], []).to_dict() == {
        "mae_per_s": None,
        "median_relative_error": None,
        "p95_relative_error": None,
        "n": 0,
    }
    with pytest.raises(StopflowError, match="must match"):
        measure([1.0], [1.0, 2.0])


def test_beside_the_fit_and_the_bound():
    data = lab_data(
        np.ones((4, 8)),
        features=FeatureSpec("shape", 4),
        window_s=np.ones(4),
        k_label_per_s=[1.1, 2.0, 4.0, 8.0],
        k_true_per_s=[1.0, 2.0, 4.0, np.nan],
        k_fit_per_s=[1.1, 2.1, 4.1, 8.0],
        k_bound_per_s=[0.1, 0.1, 0.1, 0.1],
        experiment=["a"] * 4,
        file=["1", "2", "3", "4"],
    )
    found = compare_with_fit([1.2, 2.2, 4.0, 8.0], data)
    assert found.fit.mae_per_s == pytest.approx(0.1)
    assert found.ratio_to_fit == pytest.approx((0.2 + 0.2 + 0.0) / 0.3)
    assert found.ratio_to_bound == pytest.approx(np.sqrt((4 + 4 + 0) / 3))
    assert found.low_information_ratio == pytest.approx(0.4 / 0.2)


def test_bias_shows_where_a_model_leans():
    actual = np.geomspace(1, 100, 10)
    bins = bias_against_k(actual * np.where(actual > 10, 1.1, 1.0), actual, bins=2)
    assert [part.n for part in bins] == [5, 5]
    assert bins[0].mean_relative_error == pytest.approx(0.0)
    assert bins[1].mean_relative_error == pytest.approx(0.1)
