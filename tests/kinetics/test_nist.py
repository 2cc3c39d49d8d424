"""Certified values of the NIST Statistical Reference Datasets (US government, public domain)."""

import re
from pathlib import Path

import numpy as np
import pytest

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import Tie, sum_of_exponentials

NIST = Path(__file__).parent / "nist"
EXTENDED = np.finfo(np.longdouble).eps < 1e-18
RISE = {"intercept": Tie(to="amplitude", factor=-1.0)}

# File, law, pins, certified b1, b2, ... by our names (with sign), digits of the parameters.
CASES = {
    "BoxBOD": ("single", RISE, {"intercept": 1, "k_per_s": 2}, 9),
    "Misra1a": ("single", RISE, {"intercept": 1, "k_per_s": 2}, 9),
    "MGH17": (
        "double",
        {},
        {"intercept": 1, "amplitude": 3, "amplitude2": 2, "k_per_s": 5, "k2_per_s": 4},
        9,
    ),
} | {
    name: (
        sum_of_exponentials(3, intercept=False),
        {},
        # Phases come by falling rate: b6, b4, b2.
        {
            "amplitude": 5,
            "k_per_s": 6,
            "amplitude2": 3,
            "k2_per_s": 4,
            "amplitude3": 1,
            "k3_per_s": 2,
        },
        digits,
    )
    for name, digits in (("Lanczos1", 8), ("Lanczos2", 8), ("Lanczos3", 9))
}


def read_set(name):
    """Certified (values, deviations, residual deviation) and data (x, y) of one file."""
    lines = (NIST / f"{name}.dat").read_text().splitlines()
    certified = [
        [float(word) for word in line.split("=")[1].split()][-2:]
        for line in lines
        if re.match(r"\s+b\d\s*=", line)
    ]
    (spread,) = (
        float(line.split(":")[1]) for line in lines if line.startswith("Residual Standard")
    )
    # Extended precision: Lanczos1 has residuals near the rounding of float64.
    data = np.array([[np.longdouble(word) for word in line.split()] for line in lines[60:]])
    return np.array(certified), spread, data[:, 1], data[:, 0]


def digits_of(value, certified):
    """Number of correct significant digits (at most 11, as certified)."""
    return min(11.0, -np.log10(max(abs(value / certified - 1), 1e-99)))


@pytest.mark.parametrize("name", CASES)
def test_certified_values_without_starting_values(name):
    law, fixed, places, digits = CASES[name]
    certified, spread, x, y = read_set(name)
    fit = fit_trace(x, y, law=law, start_s=0.0, fixed=fixed, min_points=3)
    assert fit.ok, fit.reason
    for parameter, place in places.items():
        value, deviation = certified[place - 1]
        assert digits_of(fit.parameters[parameter], value) >= digits, parameter
        if EXTENDED or name != "Lanczos1":
            assert digits_of(fit.stderr[parameter], deviation) >= 5, parameter
    if EXTENDED or name != "Lanczos1":
        assert digits_of(fit.noise_sd, spread) >= 5
