"""What is handed over by mistake is answered by name, with what would do."""

import numpy as np
import pytest
import torch
from chains import INPUTS, batch, chain, seeded

from stopflow.errors import SettingsError
from stopflow.lowrank import (
    MEAN_SQUARE,
    LayerSpec,
    RowSpace,
    StepSettings,
    adapt,
    build_network,
    build_stepper,
    compress,
    decide_row_space,
    huber,
    merge,
    published_count,
    unmerge,
)

X, Y = batch()
SPEC = LayerSpec(type="dlrt", dim=8, rank=4)
SPACE = RowSpace.fit(X)


def step(inputs=X, targets=Y, *, loss=MEAN_SQUARE, gram=None):
    return build_stepper(chain("dlrt"), StepSettings()).step(inputs, targets, loss=loss, gram=gram)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compress(chain("dense"), "0.9"), "energy = '0.9'"),
        (lambda: compress(chain("dense"), None, criterion="entropy"), "entropy is missing"),
        (lambda: compress(chain("dense"), 0.9, inputs=X.numpy()), r"inputs.*ndarray \(16, 40\)"),
        (lambda: compress(chain("dense"), 0.9, inputs=X.tolist()), "inputs = 'list'"),
        (lambda: compress("model", 0.9), "network = 'str'"),
        (lambda: adapt(torch.nn.Linear(3, 3), 1, generator=seeded(1)), "network = 'Linear'"),
        (lambda: adapt(chain("dense"), 2, generator=1), "generator = 1"),
        (lambda: adapt(chain("dense"), 2, generator=seeded(1), scale="1"), "scale = '1'"),
        (lambda: merge(None), "network = 'NoneType'"),
        (lambda: unmerge(None), "network = 'NoneType'"),
        (lambda: RowSpace.fit(X.numpy()), r"rows = 'ndarray \(16, 40\) float64'.*tensor"),
        (lambda: RowSpace.fit(X.tolist()), "rows = 'list'"),
        (lambda: SPACE.project(X.numpy()), "inputs.*ndarray"),
        (lambda: SPACE.project(torch.zeros(3, INPUTS, dtype=torch.int64)), "inputs.*int64"),
        (lambda: SPACE.lift(torch.zeros(3, 2)), r"coordinates.*\(3, 2\).*16"),
        (lambda: SPACE.lift(np.zeros((16, 2))), "coordinates.*ndarray"),
        (lambda: SPACE.export(None), "network = 'NoneType'"),
        (lambda: build_network(5, SPEC, generator=seeded(1)), "layers.*LayerSpec"),
        (lambda: build_network(5, ["dlrt"], generator=seeded(1)), "layers.*LayerSpec"),
        (lambda: build_network(5, [{"dim": 3}], generator=seeded(1)), "layers.*LayerSpec"),
        (lambda: build_network(5, [SPEC], generator=3), "generator = 3.*torch.Generator"),
        (lambda: build_network(9, [SPEC], generator=np.random.default_rng(1)), "generator"),
        (
            lambda: build_network(9, [SPEC], generator=seeded(1), input_basis=torch.eye(9, 4)),
            "input_basis = 'Tensor.*InputBasis",
        ),
        (lambda: build_stepper(torch.nn.Linear(3, 3), StepSettings()), "network = 'Linear'"),
        (lambda: build_stepper(chain("dlrt"), {"learning_rate": 1.0}), "settings.*StepSettings"),
        (lambda: decide_row_space([SPEC], {}, rows=3, columns=9), "settings.*StepSettings"),
        (lambda: decide_row_space(["dlrt"], StepSettings(), rows=3, columns=9), "layers"),
        (lambda: decide_row_space([SPEC], StepSettings(), rows="3", columns=9), "rows = '3'"),
        (lambda: decide_row_space([SPEC], StepSettings(), rows=3, columns=-1), "columns = -1"),
        (lambda: huber("1"), "beta = '1'"),
        (lambda: published_count("dlrt", n_inputs="3", n_outputs=3, rank=2), "n_inputs = '3'"),
        (lambda: published_count("dlrt", n_inputs=3, n_outputs=3, rank=-1), "rank = -1"),
        (lambda: chain("dlrt")(X[0]), r"inputs.*Tensor \(40,\)"),
        (lambda: chain("dlrt")(X[:, :3]), r"inputs.*\(16, 3\).*40"),
        (lambda: chain("dlrt")(X.float()), "inputs.*float32.*float64"),
        (lambda: chain("dlrt")(X.numpy()), "inputs.*ndarray"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(SettingsError, match=words):
        call()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"inputs": X.numpy()}, "inputs.*ndarray"),
        ({"inputs": X.tolist()}, "inputs = 'list'"),
        ({"targets": Y.tolist()}, "targets = 'list'"),
        ({"targets": Y > 0}, "targets.*torch.bool.*torch.float64"),
        ({"loss": "mse"}, "loss = 'mse'.*MEAN_SQUARE"),
        (
            {"loss": lambda outputs, targets: (outputs - targets) ** 2},
            r"loss.*\(16, 1\).*one number",
        ),
        ({"loss": lambda _outputs, _targets: 1.0}, "loss = 'float'.*one number"),
        ({"loss": lambda _outputs, targets: targets.sum()}, "loss.*differentiable"),
        ({"gram": (X @ X.T).numpy()}, "gram.*ndarray"),
    ],
)
def test_a_wrong_step_is_named(wrong, words):
    with pytest.raises(SettingsError, match=words):
        step(**wrong)


def test_targets_of_a_wider_type_than_the_network_are_refused():
    network = build_network(INPUTS, [SPEC], generator=seeded(1))
    stepper = build_stepper(network, StepSettings())
    with pytest.raises(SettingsError, match=r"targets.*float64.*float32"):
        stepper.step(X.float(), torch.zeros(16, 8, dtype=torch.float64), loss=MEAN_SQUARE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_targets_of_a_narrower_type_are_taken(dtype):
    assert step(targets=torch.zeros(16, 1, dtype=dtype)).finite
