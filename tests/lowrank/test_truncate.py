"""The rank that truncation keeps is that of its definition, tried rank by rank."""

import numpy as np
import pytest
import torch

from stopflow.lowrank.integrators.truncate import rank_for_tail


@pytest.mark.parametrize("theta", [0.05, 0.2, 0.7, 0.99])
@pytest.mark.parametrize("sigma", [[10.0, 1.0, 1.0], [3.0, 2.0, 1.0, 1e-3, 0.0], [5.0]])
def test_the_smallest_rank_whose_tail_is_within_the_tolerance(sigma, theta):
    allowed = theta * np.linalg.norm(sigma)
    ranks = range(1, len(sigma) + 1)
    expected = next(rank for rank in ranks if np.linalg.norm(sigma[rank:]) <= allowed)
    assert rank_for_tail(torch.tensor(sigma), theta) == expected
