"""Every law: derivatives by an independent route, names, constraints."""

import re

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


SYMBOLS = {
    "k_per_s": ("k", "k1"),
    "k2_per_s": ("k2",),
    "k3_per_s": ("k3",),
    "ratio": ("r",),
    "amplitude": ("c",),
    "amplitude2": ("c2",),
    "amplitude3": ("c3",),
    "slope_per_s": ("a",),
    "intercept": ("b",),
}
"""Parameter -> its letters in a formula; others stand under their own names."""


def as_printed(formula: str, values: dict[str, float]) -> np.ndarray:
    """Evaluate a formula such as ``y = c exp(-(k t)^beta) + b``, where a blank is a product."""
    text = re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", formula.partition("=")[2].strip())
    names = {"exp": np.exp, "sqrt": np.sqrt, "ln": np.log, "t": TIME}
    for name, value in values.items():
        names |= dict.fromkeys(SYMBOLS.get(name, (name.removesuffix("_per_s"),)), value)
    return eval(text.replace("^", "**"), {"__builtins__": {}}, names)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_is_the_formula_that_it_shows(law):
    values = {name: 0.3 + 0.1 * place for place, name in enumerate(law.linear)}
    values |= {name: 50.0 / 7**place for place, name in enumerate(law.nonlinear)}
    values |= {name: shape.starts[1] for name, shape in law.shapes.items()}
    expected = as_printed(law.formula, values)
    np.testing.assert_allclose(law.evaluate(TIME, values), expected, rtol=1e-13)


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


def test_a_long_formula_is_shortened_and_a_short_one_is_not():
    for text in ("open(t)", "exp(-k*t) + open(" + "t + " * 40 + "t)"):
        with pytest.raises(SettingsError) as refused:
            find_law(text)
        assert (text in str(refused.value)) is (len(text) < 80)
        assert text[:70] in str(refused.value)


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
