"""The simulator keeps the laws it states: physics, noise, converter, chemistry, and its truth."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from stopflow.errors import SettingsError
from stopflow.io.folder import find_experiments, read_experiment
from stopflow.io.truth import read_truth
from stopflow.kinetics.uncertainty.drawn_noise import draw_noise
from stopflow.simulate.chemistry import LADDER, REACTIONS, concentration_ladder
from stopflow.simulate.instrument import (
    Instrument,
    Pulse,
    SimulatedPush,
    artefact,
    clean_signal,
    flow,
    mixture_age,
    simulate_shot,
)
from stopflow.simulate.lab import SimulatedExperiment, simulate_lab
from stopflow.simulate.plan import LabSpec, sampling_times
from stopflow.simulate.writer import write_lab

TIME_S = sampling_times(0.3, 15_001)
PUSH = SimulatedPush(
    k_per_s=40.0,
    amplitude_V=1.3,
    level_V=4.0,
    slope_V_per_s=0.05,
    noise_sd_V=0.01,
    ringing_V=0.5,
    schlieren_V=-0.4,
    flush=0.8,
)
SMALL = LabSpec(folders=4, traces=(6, 9), points=601)


@pytest.fixture(scope="module")
def small_lab() -> tuple[SimulatedExperiment, ...]:
    return tuple(simulate_lab(SMALL, generator=np.random.default_rng(5)))


# --- one shot ------------------------------------------------------------------------------------


def test_before_the_stop_the_mixture_is_as_old_as_the_dead_time() -> None:
    instrument = Instrument(dead_time_s=2e-3)
    still = TIME_S > instrument.valve_s + instrument.ramp_s
    age = mixture_age(TIME_S, instrument)
    assert np.all(age[TIME_S <= instrument.valve_s] == 2e-3)
    np.testing.assert_allclose(np.diff(age[still]), np.diff(TIME_S[still]), rtol=1e-9)


def test_age_is_the_integral_of_one_minus_flow() -> None:
    instrument = Instrument(ramp_s=3e-3)
    standing = 1 - flow(TIME_S, instrument)
    steps = (standing[1:] + standing[:-1]) / 2 * np.diff(TIME_S)
    integral = instrument.dead_time_s + np.concatenate([[0.0], np.cumsum(steps)])
    np.testing.assert_allclose(mixture_age(TIME_S, instrument), integral, atol=2e-8)


@pytest.mark.parametrize("second_amplitude_V", [0.0, 0.2])
def test_after_the_artefact_the_record_is_the_stated_law(second_amplitude_V: float, rng) -> None:
    push = replace(PUSH, second_k_per_s=5.0, second_amplitude_V=second_amplitude_V)
    record = simulate_shot(TIME_S, push, instrument=Instrument(), generator=rng)
    since = TIME_S - record.start_s
    law = (
        record.slope_per_s * since
        + record.intercept
        + record.amplitude * np.exp(-40.0 * since)
        + record.second_amplitude * np.exp(-5.0 * since)
    )
    off = np.abs(record.clean - law)
    assert off[since >= 0].max() < 0.02 * PUSH.noise_sd_V
    assert off[since < 0].max() > 10 * PUSH.noise_sd_V


def test_the_end_of_the_artefact_is_not_late(rng) -> None:
    record = simulate_shot(TIME_S, PUSH, instrument=Instrument(), generator=rng)
    instrument = Instrument()
    just_before = artefact(
        np.array([record.start_s - 2e-3]), replace(PUSH, ringing_V=0), instrument
    )
    assert abs(just_before[0]) > 0.02 * PUSH.noise_sd_V


def test_the_amplitude_lost_in_the_dead_time() -> None:
    quiet = SimulatedPush(k_per_s=300.0, amplitude_V=2.0)
    flowing = clean_signal(np.array([0.0]), quiet, instrument=Instrument(dead_time_s=1.5e-3))
    assert flowing[0] == pytest.approx(2.0 * np.exp(-0.45), rel=1e-12)


def test_recording_begins_on_the_mixture_of_the_shot_before() -> None:
    push = SimulatedPush(k_per_s=1.0, amplitude_V=1.0, level_V=3.0, flush=1.0)
    signal = clean_signal(np.array([0.0, 7.9e-3]), push, instrument=Instrument())
    assert signal[0] == pytest.approx(3.0)
    assert signal[1] == pytest.approx(3.0 + np.exp(-1.5e-3), abs=2e-3)


def test_a_pulse_is_where_it_was_sent() -> None:
    bubble = Pulse(time_s=0.2, height_V=-0.7, width_s=3e-3)
    with_it = clean_signal(TIME_S, replace(PUSH, pulses=(bubble,)), instrument=Instrument())
    difference = with_it - clean_signal(TIME_S, PUSH, instrument=Instrument())
    assert TIME_S[np.argmin(difference)] == pytest.approx(0.2)
    assert difference.min() == pytest.approx(-0.7)


def test_the_converter_has_16_bits_of_twenty_volts_and_clips(rng) -> None:
    loud = replace(PUSH, level_V=9.5, noise_sd_V=0.3)
    signal = simulate_shot(TIME_S, loud, instrument=Instrument(), generator=rng).signal
    counts = signal / (20 / 65536)
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    assert signal.max() == 10 - 20 / 65536
    assert np.unique(np.diff(np.unique(np.rint(counts)))).min() == 1


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_noise_is_stationary_with_its_own_correlation(rho: float, rng) -> None:
    noise = np.array([draw_noise(2000, rho=rho, generator=rng) for _ in range(200)])
    effective = noise.size * (1 - rho) / (1 + rho)
    lagged = [np.mean(noise[:, lag:] * noise[:, : 2000 - lag]) for lag in (1, 2)]
    assert lagged == pytest.approx([rho, rho**2], abs=6 / np.sqrt(effective))
    assert noise.std() == pytest.approx(1.0, abs=6 / np.sqrt(effective))
    assert noise[:, 0].std() == pytest.approx(1.0, abs=0.3)


def test_flow_is_noisier_than_rest(rng) -> None:
    push = SimulatedPush(k_per_s=1.0, amplitude_V=0.0, noise_sd_V=0.02)
    instrument = Instrument(flow_noise=3.0, noise_rho=0.4)
    record = simulate_shot(TIME_S, push, instrument=instrument, generator=rng)
    flowing = record.signal[TIME_S < instrument.valve_s]
    still = record.signal[TIME_S > record.start_s]
    assert still.std() == pytest.approx(record.noise_sd, rel=0.05)
    assert flowing.std() == pytest.approx(3 * record.noise_sd, rel=0.25)


# --- chemistry -----------------------------------------------------------------------------------


def test_every_reaction_has_a_series_the_instrument_can_see() -> None:
    for reaction in REACTIONS:
        ladder = concentration_ladder(reaction, temperature_K=298.15, within=(0.3, 400))
        assert len(ladder) >= 8, reaction
        assert {round(float(f"{step:e}".split("e")[0]), 6) for step in ladder} <= set(LADDER)


def test_reactions_are_arrhenius() -> None:
    for reaction in REACTIONS:
        inverse = 1 / np.array([278.15, 298.15, 310.15])
        logs = [np.log(reaction.k_obs(1e-4, temperature_K=1 / x)) for x in inverse]
        slope = np.polyfit(inverse, logs, 1)[0]
        assert -slope * 8.314462618e-3 == pytest.approx(reaction.activation_kJ, rel=1e-6)


# --- a lab ---------------------------------------------------------------------------------------


def test_shots_lie_in_the_ranges_of_the_spec(small_lab) -> None:
    assert len(small_lab) == 4
    for simulated in small_lab:
        shots = simulated.experiment.shots
        assert 6 <= len(shots) <= 9
        assert len({shot.file for shot in shots}) == len(shots)
        assert len({shot.conditions.group_key() for shot in shots}) >= 3
        for shot, truth in zip(shots, simulated.truths, strict=True):
            assert len(shot.trace) == 601
            assert 0.3 <= truth.k_per_s <= 400
            assert 0.002 <= truth.noise_sd / abs(truth.amplitude) <= 0.07
            assert truth.start_s <= shot.start_s <= truth.start_s + 5e-3
            assert shot.start_s * 2e3 == pytest.approx(round(shot.start_s * 2e3))
            assert np.abs(shot.trace.signal).max() < 10


def test_k_obs_is_on_the_law_of_the_reaction() -> None:
    """Concentration series recovered by a straight line, or its inverse where it saturates."""
    seen = set()
    for simulated in simulate_lab(
        LabSpec(folders=12, points=301), generator=np.random.default_rng(2)
    ):
        shots = simulated.experiment.shots
        reaction = _reaction_of(simulated)
        conc = np.array([shot.conditions.concentration_M for shot in shots])
        k = np.array([truth.k_condition_per_s for truth in simulated.truths])
        off = reaction.k_obs(0.0, temperature_K=shots[0].conditions.temperature_K)
        if reaction.saturation_uM is None:
            intercept = np.polyfit(conc, k, 1)[1]
            assert intercept == pytest.approx(off, abs=1e-6 * k.max())
        else:
            inverse_slope, inverse_intercept = np.polyfit(1 / conc, 1 / (k - off), 1)
            assert inverse_slope / inverse_intercept == pytest.approx(1e-6 * reaction.saturation_uM)
        scatter = np.array([truth.k_per_s for truth in simulated.truths]) / k - 1
        assert scatter.std() == pytest.approx(0.01, rel=0.8)
        seen.add(reaction.saturation_uM is None)
    assert seen == {True, False}


def test_same_seed_same_lab_whatever_is_taken(small_lab) -> None:
    again = islice(simulate_lab(SMALL, generator=np.random.default_rng(5)), 2)
    for ours, first in zip(again, small_lab, strict=False):
        assert ours.truths == first.truths
        for shot, other in zip(ours.experiment.shots, first.experiment.shots, strict=True):
            np.testing.assert_array_equal(shot.trace.signal, other.trace.signal)
    other_seed = next(simulate_lab(SMALL, generator=np.random.default_rng(6)))
    assert other_seed.truths != small_lab[0].truths


def test_the_labs_own_rate_is_a_fit_near_the_truth(small_lab) -> None:
    off = [
        shot.workbook_rate_per_s / truth.k_per_s - 1
        for simulated in small_lab
        for shot, truth in zip(simulated.experiment.shots, simulated.truths, strict=True)
    ]
    assert 0.001 < np.median(np.abs(off)) < 0.05


def test_disturbances_and_a_second_phase_on_demand() -> None:
    spec = replace(SMALL, folders=2, disturbed_share=1.0, second_phase=0.2)
    for simulated in simulate_lab(spec, generator=np.random.default_rng(1)):
        for truth in simulated.truths:
            assert truth.disturbance in ("bubble", "spike")
            assert abs(truth.second_amplitude) > 0
            assert truth.second_k_per_s < truth.k_per_s


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("folders", 0),
        ("traces", (5, 2)),
        ("points", 10),
        ("windows_s", ()),
        ("rates_per_s", (3.0, 1.0)),
        ("noise", (0.0, 0.1)),
        ("disturbed_share", 1.5),
        ("second_phase", 0.5),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name):
        LabSpec(**{name: value})


def test_rates_no_reaction_reaches_are_refused() -> None:
    spec = LabSpec(rates_per_s=(0.30, 0.35))
    with pytest.raises(SettingsError, match="rates_per_s"):
        next(simulate_lab(spec, generator=np.random.default_rng(0)))


def test_default_size_is_that_of_a_real_lab() -> None:
    spec = replace(LabSpec(), points=101)
    sizes = [
        len(simulated.truths)
        for simulated in simulate_lab(spec, generator=np.random.default_rng(0))
    ]
    assert len(sizes) == 45
    assert min(sizes) >= 15
    assert max(sizes) <= 45
    assert 1000 < sum(sizes) < 1400


# --- on disk -------------------------------------------------------------------------------------


TINY = LabSpec(folders=2, traces=(4, 5), points=101)


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_same_seed_same_bytes_workbooks_included(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    written = write_lab(tmp_path / "a", spec=TINY, seed=3, progress=lambda *at: seen.append(at))
    write_lab(tmp_path / "b", spec=TINY, seed=3)
    write_lab(tmp_path / "c", spec=TINY, seed=4)
    first = _contents(tmp_path / "a")
    assert first == _contents(tmp_path / "b")
    assert first != _contents(tmp_path / "c")
    assert seen == [("simulate", 1, 2), ("simulate", 2, 2)]
    assert len(first) == written.shots + 2 * written.folders + 1


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    write_lab(root, spec=TINY, seed=3)
    truth, _ = read_truth(root)
    folders = find_experiments(root)
    lab = list(simulate_lab(TINY, generator=np.random.default_rng(3)))
    assert [folder.name for folder in folders] == [made.experiment.name for made in lab]
    for folder, made in zip(folders, lab, strict=True):
        read = read_experiment(folder)
        assert {problem.level for problem in read.problems} <= {"note"}
        shots = {shot.file: shot for shot in read.shots}
        assert len(shots) == len(made.truths)
        for shot, known in zip(made.experiment.shots, made.truths, strict=True):
            back = shots[shot.file]
            np.testing.assert_allclose(back.trace.time_s, shot.trace.time_s, rtol=1e-9)
            np.testing.assert_allclose(back.trace.signal, shot.trace.signal, rtol=5.1e-6)
            assert back.trace.records == shot.trace.records
            assert back.start_s == pytest.approx(shot.start_s)
            assert back.workbook_rate_per_s == shot.workbook_rate_per_s
            assert back.conditions.substrate == shot.conditions.substrate
            assert back.conditions.replicate == shot.conditions.replicate
            for name in ("concentration_M", "temperature_K", "dead_time_s"):
                ours, theirs = getattr(shot.conditions, name), getattr(back.conditions, name)
                assert theirs == pytest.approx(ours), name
            assert back.conditions.extra.items() <= shot.conditions.extra.items()
            assert truth[read.name, shot.file] == pytest.approx(known.k_per_s, rel=1e-8)


def test_an_earlier_lab_is_replaced_whole(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    root.mkdir()
    write_lab(root, spec=replace(TINY, folders=3), seed=1)
    write_lab(root, spec=TINY, seed=2)
    assert len(find_experiments(root)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["lab"]


@pytest.mark.parametrize("stranger", ["notes.txt", "truth.csv", "01_x/mine.bka"])
def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path, stranger: str) -> None:
    mine = tmp_path / stranger
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("experiment,file,k_true_per_s\n")
    with pytest.raises(SettingsError, match=r"OUT = .* \(holds "):
        write_lab(tmp_path, spec=TINY, seed=1)
    assert mine.exists()


def test_an_earlier_lab_with_something_added_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    write_lab(root, spec=TINY, seed=1)
    added = find_experiments(root)[0] / "mine.bka"
    added.touch()
    with pytest.raises(SettingsError, match=r"mine\.bka"):
        write_lab(root, spec=TINY, seed=1)
    assert added.exists()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab").touch()
    with pytest.raises(SettingsError, match="a file"):
        write_lab(tmp_path / "lab", spec=TINY, seed=1)


def test_a_broken_run_leaves_the_earlier_lab(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    write_lab(root, spec=TINY, seed=1)
    before = _contents(root)

    def give_up(*_at: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lab(root, spec=TINY, seed=2, progress=give_up)
    assert _contents(root) == before
    assert [path.name for path in tmp_path.iterdir()] == ["lab"]


# --- what a fit can reach ------------------------------------------------------------------------


@pytest.mark.slow
def test_error_of_least_squares_meets_the_cramer_rao_bound(full_proof) -> None:
    """scipy-free check of truth: Gauss-Newton fits from the truth, white noise, k T of 2 to 100."""
    spec = LabSpec(folders=20 if full_proof else 4, correlated_share=0.0, points=1501)
    pulls = []
    for simulated in simulate_lab(spec, generator=np.random.default_rng(8)):
        for shot, truth in zip(simulated.experiment.shots, simulated.truths, strict=True):
            since = shot.trace.time_s - truth.start_s
            kept = since >= 0
            fit = _gauss_newton(since[kept], shot.trace.signal[kept], truth.k_per_s)
            if fit is not None:
                k, unit_error = fit
                pulls.append((k - truth.k_per_s) / (unit_error * truth.noise_sd))
    assert len(pulls) > 50
    assert np.std(pulls) == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(pulls)))
    assert np.mean(pulls) == pytest.approx(0.0, abs=4 / np.sqrt(len(pulls)))


@pytest.mark.slow
def test_the_line_of_k_obs_is_in_the_traces(full_proof) -> None:
    """k_on from written traces alone: grid search and Gauss-Newton, then a straight line."""
    lab = simulate_lab(
        LabSpec(folders=30 if full_proof else 6, points=1501), generator=np.random.default_rng(4)
    )
    checked = 0
    for simulated in lab:
        shots = simulated.experiment.shots
        reaction = _reaction_of(simulated)
        fits = [_fit_blindly(shot) for shot in shots]
        kept = [number for number, fit in enumerate(fits) if fit is not None]
        if reaction.saturation_uM is not None or len(kept) < len(shots):
            continue
        temperature_K = shots[0].conditions.temperature_K
        conc = np.array([shot.conditions.concentration_M for shot in shots])
        k = np.array([fit[0] for fit in fits])
        error = np.array([np.hypot(fit[1], 0.01 * fit[0]) for fit in fits])
        (slope, _), covariance = np.polyfit(conc, k, 1, w=1 / error, cov="unscaled")
        off = reaction.k_obs(0.0, temperature_K=temperature_K)
        k_on = (reaction.k_obs(1e-4, temperature_K=temperature_K) - off) / 1e-4
        assert abs(slope - k_on) < 4.5 * np.sqrt(covariance[0, 0])
        checked += 1
    assert checked >= 2


def _reaction_of(simulated: SimulatedExperiment):
    _, reagent, substrate, _ = simulated.experiment.name.split("_")
    return next(row for row in REACTIONS if (row.reagent, row.substrate) == (reagent, substrate))


def _fit_blindly(shot) -> tuple[float, float] | None:
    """Return k and its error, from the named start, without looking at the truth."""
    since = shot.trace.time_s - shot.start_s
    since, signal = since[since >= 0], shot.trace.signal[since >= 0]
    trials = np.geomspace(2 / since[-1], 300 / since[-1], 60)
    bases = [np.column_stack([since, since**0, np.exp(-k * since)]) for k in trials]
    left = [np.linalg.lstsq(basis, signal)[1][0] for basis in bases]
    fit = _gauss_newton(since, signal, trials[int(np.argmin(left))])
    return None if fit is None else (fit[0], fit[1] * np.sqrt(min(left) / (len(since) - 4)))


def _gauss_newton(since, signal, k):
    """Return k and its error for unit noise; None where k T is too small for a normal error."""
    if k * since[-1] < 4:
        return None
    for _ in range(8):
        basis = np.column_stack([since, np.ones_like(since), np.exp(-k * since)])
        linear = np.linalg.lstsq(basis, signal)[0]
        jacobian = np.column_stack([basis, -linear[2] * since * basis[:, 2]])
        k += np.linalg.lstsq(jacobian, signal - basis @ linear)[0][3]
    return k, np.linalg.norm(np.linalg.pinv(jacobian)[3])
