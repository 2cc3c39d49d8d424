"""Experiments that are proposed do what was promised of them."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_shots import integrate
from test_identifiability import OPEN, made

from stopflow.mechanism.determined import determine
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.further import SHOTS, propose_experiments
from stopflow.mechanism.observations import MechanismShot


def proposed(name):
    text, truth, mixtures, observed, _ = OPEN[name]
    problem = made(np.random.default_rng(5), text, truth, mixtures, observed)
    fit = fit_mechanism(problem, generator=np.random.default_rng(1))
    found = determine(fit)
    return problem, dict(zip(problem.scheme.constants, truth, strict=True)), found, fit


def test_the_further_shots_determine_what_they_should() -> None:
    """One level of S leaves k1 and k-1 open; the level that is proposed determines both."""
    problem, truth, found, fit = proposed("binding in great excess at one level")
    advice = {item.constant: item for item in propose_experiments(fit, found)}
    assert set(advice) == {"k1", "k-1"}
    item = advice["k-1"]
    assert item.determines
    assert dict(item.start_M)["S"] != pytest.approx(1e-3)
    rng = np.random.default_rng(3)
    times = np.linspace(0.0, item.window_s, len(problem.shots[0].time_s))
    c = integrate(problem.scheme, truth, dict(item.start_M), times)[:, 2]
    more = [
        MechanismShot(name=f"f{number}", time_s=times, noise_sd=0.005,
                      signal=1e6 * c + 0.005 * rng.standard_normal(len(times)),
                      start_M=dict(item.start_M))
        for number in range(SHOTS)
    ]  # fmt: skip
    whole = problem.with_shots((*problem.shots, *more))
    after = determine(fit_mechanism(whole, generator=np.random.default_rng(1)))
    assert [interval.determined for interval in after.intervals] == [True, True]
    assert after.intervals[1].stderr == pytest.approx(item.relative_stderr, rel=1.0)


def test_where_no_concentration_helps_it_is_said() -> None:
    """The product of two ways tells the sum of their rates alone, however much there is of A."""
    _, _, found, fit = proposed("two ways to unseen products")
    assert all(not item.helps for item in propose_experiments(fit, found))


def test_nothing_is_proposed_where_everything_is_known() -> None:
    _, _, found, fit = proposed("one concentration of A <=> B")
    closed = replace(
        found,
        intervals=tuple(
            replace(item, open_below=False, open_above=False) for item in found.intervals
        ),
    )
    assert propose_experiments(fit, closed) == ()
