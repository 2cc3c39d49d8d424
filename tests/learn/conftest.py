"""One small lab for all tests of this folder."""

import numpy as np
import pytest
import torch
from small_lab import SmallLab, make_lab


@pytest.fixture(scope="session")
def small_lab() -> SmallLab:
    return make_lab(np.random.default_rng(7))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
