import numpy as np

from stopflow.learn.compare.baselines import predict_constant, predict_ridge
from stopflow.learn.evaluate import measure
from stopflow.learn.split import split_by_experiment


def test_ridge_learns_and_a_constant_does_not(small_lab, rng):
    data = small_lab.data
    split = split_by_experiment(data, generator=rng, test_count=2)
    actual = data.k_actual_per_s[split.test]
    ridge = measure(predict_ridge(data, split)[split.test], actual)
    constant = measure(predict_constant(data, split)[split.test], actual)
    assert ridge.median_relative_error < 0.2 < constant.median_relative_error


def test_baselines_learn_nothing_from_test_labels(small_lab, rng):
    data = small_lab.data
    split = split_by_experiment(data, generator=rng, test_count=2)
    labels = np.array(data.k_label_per_s)
    labels[split.test] *= 100
    changed = type(data)(
        **{n: getattr(data, n) for n in data.__slots__} | {"k_label_per_s": labels}
    )
    for predict in (predict_constant, predict_ridge):
        np.testing.assert_array_equal(predict(data, split), predict(changed, split))
