"""Fixtures every test may use: a seeded generator, and the scale of statistical proofs."""

import hypothesis
import numpy as np
import pytest

# The same examples in every run: a gate that is green stays green.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the slow proofs at full size")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240611)


@pytest.fixture
def full_proof(request: pytest.FixtureRequest) -> bool:
    """Tell whether slow proofs run at full size (`pytest --full`) or reduced."""
    return bool(request.config.getoption("--full"))
