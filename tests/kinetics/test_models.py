"""Every law: derivatives by an independent route, names, constraints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopflow.errors import SettingsError
from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import LAWS, Proportional, find_law, sum_of_exponentials

ALL = [*LAWS.values(), sum_of_exponentials(3, slope=True)]
TIME = np.array([0.0, 1e-4, 0.003, 0.02, 0.05, 0.11, 0.3])


def some_parameters(law, values):
    return {name: 0.2 + 5 * value for name, value in zip(law.parameters, values, strict=False)}


@pytest.mark.parametrize("law", ALL, ids=lambda law: law.key)
@given(values=st.lists(st.floats(0, 1), min_size=8, max_size=8))
@settings(max_examples=25, deadline=None)
def test_jacobian_equals_central_difference(law, values):
    parameters = some_parameters(law, values)
    jacobian = law.jacobian(TIME, parameters)
    assert jacobian.shape == (len(TIME), len(law.parameters))
    for column, name in enumerate(law.parameters):
        step = 1e-5 * parameters[name]
        up = law.evaluate(TIME, parameters | {name: parameters[name] + step})
        down = law.evaluate(TIME, parameters | {name: parameters[name] - step})
        np.testing.assert_allclose(jacobian[:, column], (up - down) / (2 * step), atol=2e-8)


@pytest.mark.parametrize("law", ALL, ids=lambda law: law.key)
def test_linear_in_its_linear_parameters(law):
    parameters = some_parameters(law, np.linspace(0.1, 0.9, 8))
    doubled = parameters | {name: 2 * parameters[name] for name in law.linear}
    np.testing.assert_allclose(law.evaluate(TIME, doubled), 2 * law.evaluate(TIME, parameters))


def test_formulas_of_the_table():
    t, k, k2, k3, beta, r = TIME, 50.0, 7.0, 1.5, 0.7, 0.4
    c, c2, c3, a, b = 2.0, -1.0, 0.5, 0.3, 0.1
    values = dict(
        k_per_s=k,
        k2_per_s=k2,
        k3_per_s=k3,
        beta=beta,
        ratio=r,
        amplitude=c,
        amplitude2=c2,
        amplitude3=c3,
        slope_per_s=a,
        intercept=b,
    )
    written = {
        "single": c * np.exp(-k * t) + b,
        "single-slope": c * np.exp(-k * t) + a * t + b,
        "double": c * np.exp(-k * t) + c2 * np.exp(-k2 * t) + b,
        "double-slope": c * np.exp(-k * t) + c2 * np.exp(-k2 * t) + a * t + b,
        "triple": c * np.exp(-k * t) + c2 * np.exp(-k2 * t) + c3 * np.exp(-k3 * t) + b,
        "stretched": c * np.exp(-((k * t) ** beta)) + b,
        "second-order": c / (1 + k * t) + b,
        "second-order-unequal": c * (1 - r) / (np.exp((1 - r) * k * t) - r) + b,
        "lag": c * (k * np.exp(-k2 * t) - k2 * np.exp(-k * t)) / (k - k2) + b,
        "burst": c * (1 - np.exp(-k * t)) + a * t + b,
    }
    assert set(written) == set(LAWS)
    for key, expected in written.items():
        np.testing.assert_allclose(LAWS[key].evaluate(t, values), expected, rtol=1e-13)


def test_unknown_names_are_told_with_the_valid_ones():
    with pytest.raises(SettingsError, match="single-slope"):
        find_law("tripel")
    y = np.exp(-TIME)
    with pytest.raises(SettingsError, match="k_per_s"):
        fit_trace(TIME, y, fixed={"k": 1.0})
    with pytest.raises(SettingsError, match="amplitude"):
        fit_trace(TIME, y, law="single", fixed={"intercept": Proportional(to="k_per_s")})
    with pytest.raises(SettingsError, match="positive"):
        fit_trace(TIME, y, fixed={"k_per_s": -1.0})


FORBIDDEN = (
    "__import__('os').system('true')*t",
    "t.__class__",
    "[t for t in (1, 2)]",
    "lambda: t",
    "t if t else k",
    "exp(k, t)",
    "open(t)",
    "k^t",
    "'a'*t",
    "True*t + k",
    "1e400*t*k",
    "a*exp(-k*t",
    "exp(-k)",
    "2*t",
    "k*t + k1*t",
    "(" * 300 + "t" + ")" * 300,
    "+".join(f"a{n}*t" for n in range(40)),
    "k*t" + "*t" * 400,
)


@pytest.mark.parametrize("text", FORBIDDEN, ids=range(len(FORBIDDEN)))
def test_nothing_but_arithmetic_is_a_formula(text):
    with pytest.raises(SettingsError, match=r"formula|law"):
        find_law(text)


@pytest.mark.parametrize(
    ("text", "linear"),
    [
        ("a*exp(-k*t) + b/(1 + c*t)", ("a", "b")),
        ("y = a*(1 - exp(-k1*t)) + v*t", ("a", "v")),
        ("exp(-k*t)**n + erf(t*b)*a - (t + 0.1)**p/2", ("a",)),
        ("(a + b*t)/(1 + c*t) - -sqrt(1 + k*t)", ("a", "b")),
        ("log(1 + k*t)*tanh(a*t) + pi*arctan(b*t)", ()),
    ],
)
def test_derivatives_of_formulas_equal_differences(text, linear):
    law = find_law(text)
    assert law.linear == linear
    parameters = some_parameters(law, np.linspace(0.05, 0.3, 8))
    jacobian = law.jacobian(TIME, parameters)
    for column, name in enumerate(law.parameters):
        step = 1e-5 * parameters[name]
        up = law.evaluate(TIME, parameters | {name: parameters[name] + step})
        down = law.evaluate(TIME, parameters | {name: parameters[name] - step})
        np.testing.assert_allclose(jacobian[:, column], (up - down) / (2 * step), atol=2e-8)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, 1e-3])
def test_equal_rates_and_concentrations_are_limits_not_poles(gap):
    """Equal rates give (1 + k t) exp(-k t), equal concentrations 1 / (1 + k t)."""
    k = 40.0
    lag = LAWS["lag"].evaluate(
        TIME, {"k_per_s": k, "k2_per_s": k * (1 - gap), "amplitude": 1.0, "intercept": 0.0}
    )
    np.testing.assert_allclose(lag, (1 + k * TIME) * np.exp(-k * TIME), atol=20 * gap + 1e-14)
    unequal = LAWS["second-order-unequal"].evaluate(
        TIME, {"k_per_s": k, "ratio": 1 - gap, "amplitude": 1.0, "intercept": 0.0}
    )
    np.testing.assert_allclose(unequal, 1 / (1 + k * TIME), atol=20 * gap + 1e-14)
