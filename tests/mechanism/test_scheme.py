"""Schemes as text: species, steps, units, balance; and relations between constants."""

import numpy as np
import pytest
from scipy.constants import R

from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.mixtures import MixtureSettings, find_concentration
from stopflow.mechanism.scheme import SchemeError, parse_scheme
from stopflow.trace import Conditions, Shot


def test_a_chain_gives_its_species_steps_and_units() -> None:
    scheme = parse_scheme("E + S <=> ES -> E + P")
    assert scheme.species == ("E", "S", "ES", "P")
    assert scheme.units == {"k1": "M^-1 s^-1", "k-1": "s^-1", "k2": "s^-1"}
    assert [str(step) for step in scheme.steps] == ["E + S -> ES", "ES -> E + S", "ES -> E + P"]


@pytest.mark.parametrize("names", ["", " : k_on, k_off"])
def test_the_way_back_is_known_whatever_its_constant_is_called(names: str) -> None:
    """What only a way back makes must be given, and what is seen by default is a product."""
    scheme = parse_scheme(f"F -> E; E + S <=> ES{names}")
    assert [step.is_back for step in scheme.steps] == [False, False, True]
    settings = MixtureSettings(initial={"F": "1 uM"})
    shot = Shot(experiment="x", file="a", trace=None, conditions=Conditions())
    with pytest.raises(SchemeError, match="S"):
        find_concentration("S", shot, scheme, settings)
    assert find_concentration("E", shot, scheme, settings) is None


@pytest.mark.parametrize(
    ("text", "constants"),
    [
        ("A + B <=> C; C -> D", ("k1", "k-1", "k2")),
        ("A + B ⇌ C\nC → D", ("k1", "k-1", "k2")),
        ("A + B <=> C : k_on, k_off; C -> D", ("k_on", "k_off", "k2")),
        ("2 A <=> A2", ("k1", "k-1")),
        ("2A -> B", ("k1",)),
    ],
)
def test_constants_are_numbered_over_the_whole_scheme_or_named(text, constants) -> None:
    assert parse_scheme(text).constants == constants


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A -> A + B", "balance"),
        ("A + B <=> C; C -> A", "balance"),
        ("A + B", "no arrow"),
        ("", "no step"),
        ("A -> A", "changes nothing"),
        ("A + B + C -> D", "meet at once"),
        ("A + B -> C : k1, k2", "2 names for 1"),
        ("A -> B : k; C -> D : k", "twice"),
        ("A +B -> C", "no species"),
        ("A -> 0 B", "1 molecule"),
        ("-> B", "no species"),
    ],
)
def test_a_wrong_scheme_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(SchemeError, match=said):
        parse_scheme(text)


def test_relations_are_kept_by_every_free_number(rng: np.random.Generator) -> None:
    scheme = parse_scheme("E + S <=> ES <=> EP <=> E + P")
    constants = build_constants(scheme, ["k-1/k1 = 2e-6", "k3 = 7", "k-2 = 3 * k2"])
    assert constants.names == ("k1", "k2", "k-3")
    log_k, slopes = constants.log_k(rng.normal(size=3), np.array([298.15]))
    k = dict(zip(scheme.constants, np.exp(log_k[0]), strict=True))
    assert k["k-1"] / k["k1"] == pytest.approx(2e-6)
    assert k["k3"] == pytest.approx(7)
    assert k["k-2"] == pytest.approx(3 * k["k2"])
    assert slopes.shape == (1, 6, 3)


def test_a_named_quotient_is_a_free_number_with_its_unit(rng: np.random.Generator) -> None:
    scheme = parse_scheme("E + S <=> ES <=> EP <=> E + P")
    constants = build_constants(
        scheme, ["K1 = k-1/k1", "K = k2 / k-2", "Q = k3*k-1", "k-3 = 4 * K1 * k1"]
    )
    assert constants.names == ("k1", "k2", "K1", "K", "Q")
    assert constants.units == ("M^-1 s^-1", "s^-1", "M", "1", "s^-2")
    theta = rng.normal(size=5)
    free = dict(zip(constants.names, np.exp(theta), strict=True))
    k = dict(zip(scheme.constants, np.exp(constants.log_k(theta, np.ones(1))[0][0]), strict=True))
    assert k["k-1"] / k["k1"] == pytest.approx(free["K1"])
    assert k["k2"] / k["k-2"] == pytest.approx(free["K"])
    assert k["k3"] * k["k-1"] == pytest.approx(free["Q"])
    assert k["k-3"] == pytest.approx(4 * k["k-1"])


def test_a_named_quotient_can_be_fixed_and_both_can_be_bounded() -> None:
    scheme = parse_scheme("A + B <=> C <=> D")
    fixed = build_constants(scheme, ["K1 = k-1/k1", "K1 = 2e-6"])
    plain = build_constants(scheme, ["k-1/k1 = 2e-6"])
    assert fixed.names == plain.names
    np.testing.assert_allclose(fixed.matrix, plain.matrix)
    np.testing.assert_allclose(fixed.offset, plain.offset)
    bounded = build_constants(
        scheme,
        ["K1 = k-1/k1", "K1 <= 1e-3", "1e9 ≥ k1", "k1 > 10", "k1 <= 1e10", "k2/k-2 = 3", "k2 < 6"],
    )
    assert bounded.names == ("k1", "k2", "K1")
    np.testing.assert_allclose(np.exp(bounded.high), [1e9, 6, 1e-3])
    np.testing.assert_allclose(np.exp(bounded.low), [10, 0, 0])


def test_constants_follow_eyring() -> None:
    scheme = parse_scheme("A -> B")
    constants = build_constants(scheme, reference_K=298.15)
    assert constants.names == ("k1", "dH(k1)")
    kelvin = np.array([288.15, 298.15, 308.15])
    log_k, _ = constants.log_k(np.array([np.log(5.0), 60.0]), kelvin)
    expected = np.log(5.0 * kelvin / 298.15) - 60e3 / R * (1 / kelvin - 1 / 298.15)
    np.testing.assert_allclose(log_k[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("relations", "said"),
    [
        (["k1 = 2", "k1 = 3"], "contradicts"),
        (["k1 = 2", "k1 = 2"], "repeats"),
        (["k9 = 2"], "neither a number"),
        (["k1 = -2"], "neither a number"),
        (["k1 = 1e400"], "no value that a constant"),
        (["k1"], "no ="),
        (["k1 ="], "nothing on one side"),
        (["k5 = k1"], "'k5' .* neither a number"),
        (["k1 <= 2", "k1 >= 3"], "leaves no value for k1"),
        (["k1 = 5", "k1 <= 2"], "contradicts"),
        (["k-1/k1 <= 2"], "k1 and k-1 together; give what is bounded a name"),
        (["2 = 3"], "names no constant"),
        (["k1 = 1", "k-1 = 1"], "nothing is left"),
    ],
)
def test_wrong_relations_are_refused_by_name(relations: list[str], said: str) -> None:
    with pytest.raises(SchemeError, match=said):
        build_constants(parse_scheme("A <=> B"), relations)
