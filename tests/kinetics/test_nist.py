"""Certified values of the NIST Statistical Reference Datasets (US government, public domain)."""

import re
from pathlib import Path

import numpy as np
import pytest

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import Proportional, sum_of_exponentials

NIST = Path(__file__).parent / "nist"
EXTENDED = np.finfo(np.longdouble).eps < 1e-18
RISE = {"intercept": Proportional(to="amplitude", factor=-1.0)}

# File, law, constraints, certified b1, b2, ... by our names (with sign), digits of the parameters.
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


# The formulas as the files give them, x being the time counted from the first point.
GAUSS = "b1*exp(-b2*t) + b3*exp(-(t-b4)**2/b5**2) + b6*exp(-(t-b7)**2/b8**2)"
LANCZOS = "b1*exp(-b2*t) + b3*exp(-b4*t) + b5*exp(-b6*t)"
FORMULAS = {
    "Lanczos1": LANCZOS,
    "Lanczos2": LANCZOS,
    "Lanczos3": LANCZOS,
    "Gauss1": GAUSS,
    "Gauss2": GAUSS,
    "Gauss3": GAUSS,
    "Chwirut1": "exp(-b1*t)/(b2 + b3*t)",
    "Chwirut2": "exp(-b1*t)/(b2 + b3*t)",
    "Thurber": "(b1 + b2*t + b3*t**2 + b4*t**3)/(1 + b5*t + b6*t**2 + b7*t**3)",
    "MGH09": "b1*(t**2 + t*b2)/(t**2 + t*b3 + b4)",
    "MGH10": "b1*exp(b2/(t + b3))",
    "MGH17": "b1 + b2*exp(-t*b4) + b3*exp(-t*b5)",
    "BoxBOD": "b1*(1 - exp(-b2*t))",
    "Misra1a": "b1*(1 - exp(-b2*t))",
    "Misra1b": "b1*(1 - (1 + b2*t/2)**(-2))",
    "Misra1c": "b1*(1 - (1 + 2*b2*t)**(-0.5))",
    "Misra1d": "b1*b2*t/(1 + b2*t)",
    "Bennett5": "b1*(b2 + t)**(-1/b3)",
    "Eckerle4": "(b1/b2)*exp(-0.5*((t - b3)/b2)**2)",
    "Rat42": "b1/(1 + exp(b2 - b3*t))",
    "Rat43": "b1/((1 + exp(b2 - b3*t))**(1/b4))",
}


# All but Gauss3 are; these are quick.
FROM_NOWHERE = ("MGH10", "BoxBOD", "Misra1d", "Bennett5", "Eckerle4", "Rat42", "MGH17")


def starts_of(name):
    """The two starting points that the file gives, by parameter."""
    found = re.findall(
        r"^\s+(b\d)\s*=\s*(\S+)\s+(\S+)", (NIST / f"{name}.dat").read_text(), flags=re.MULTILINE
    )
    return [{row[0]: float(row[place]) for row in found} for place in (1, 2)]


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_of_users_reach_the_certified_values(name):
    """From the second start of the file, and some without any."""
    certified, _, x, y = read_set(name)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    law = re.sub(r"\bt\b", f"(t {float(x[0]):+.17g})", FORMULAS[name])
    times, place, count = np.unique(x, return_inverse=True, return_counts=True)
    repeated = len(times) < len(x)
    if repeated:
        # Means of equal times, weighted by their number, have the same minimum.
        y = np.array([y[place == at].mean() for at in range(len(times))])
    fits = [
        fit_trace(
            times,
            y,
            law=law,
            guess=guess,
            weights=count.astype(float) if repeated else None,
            min_points=3,
        )
        for guess in ([starts_of(name)[1], None] if name in FROM_NOWHERE else [starts_of(name)[1]])
    ]
    names = [f"b{number + 1}" for number in range(len(certified))]
    for fit, known in zip(
        fits, (certified, certified[np.argsort(np.abs(certified[:, 0]))]), strict=False
    ):
        assert fit.ok, fit.reason
        found = np.array([(fit.parameters[name], fit.stderr[name]) for name in names])
        if known is not certified:
            # Found from nowhere, equal phases and signs of widths come in any order.
            found, known = found[np.argsort(np.abs(found[:, 0]))], np.abs(known)
            found = np.abs(found)
        for (value, error), (sure, deviation) in zip(found, known, strict=True):
            assert digits_of(value, sure) >= 9
            if not repeated and (EXTENDED or name != "Lanczos1"):
                assert digits_of(error, deviation) >= 5
