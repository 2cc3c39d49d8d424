"""Every rule speaks up where its fault was put in, and keeps quiet where it was not."""

from dataclasses import fields, replace
from string import Formatter

import numpy as np
import pytest
from lab_shots import TIME, decay, noisy, series, shot
from scipy import stats

from stopflow.errors import SettingsError, StoreError
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    ExperimentAnalysis,
    QualityThresholds,
    analyse_experiment,
    analyse_lab,
)
from stopflow.kinetics.signal_checks import (
    clipped_share,
    clipped_stretch,
    early_misfit,
    misfit,
    unbroken_share,
)
from stopflow.kinetics.solver.refusals import REFUSALS, refuse
from stopflow.kinetics.uncertainty.noise import Noise, estimate_noise
from stopflow.kinetics.verdicts.findings import (
    Finding,
    Values,
    Verdict,
    parse_findings,
    verdict_of,
    write_findings,
)
from stopflow.kinetics.verdicts.law_comparison import Alternative
from stopflow.kinetics.verdicts.rules import RULES
from stopflow.kinetics.verdicts.sentences import (
    CARRIED_BY_A_SHOT,
    SENTENCES,
    reasons,
    say,
    say_shortly,
)
from stopflow.trace import Conditions, Experiment, Shot


def analyse(*shots: Shot, **options: object) -> ExperimentAnalysis:
    return analyse_experiment(
        Experiment(name="lab", shots=shots),
        AnalysisSettings(**options),  # type: ignore[arg-type]
    )


def rules_of(signal: np.ndarray, **options: object) -> set[str]:
    judged = analyse(shot(signal, **options)).shots[0]  # type: ignore[arg-type]
    assert judged.verdict is verdict_of(judged.findings)
    return {finding.rule for finding in judged.findings}


def test_the_table_is_numbered_and_its_thresholds_exist() -> None:
    numbers = [rule.number for rule in RULES.values()]
    assert len(set(numbers)) == len(numbers)
    known = {item.name for item in fields(QualityThresholds)}
    used = {name for rule in RULES.values() for name in rule.thresholds}
    assert used == known
    assert all(rule.means for rule in RULES.values())


def test_reasons_can_be_split_again(rng: np.random.Generator) -> None:
    """Every judge of a single shot speaks up, and reasons come back as they were joined."""
    result = analyse(shot(noisy(rng, decay(slope_per_s=0.3)))).shots[0].shot.result
    assert result is not None
    wrong = replace(
        result,
        step_s=1.0,
        start_shift_sigma=9.0,
        law_shift=replace(result.law_shift, sigma=1e3, share=1.0),
        intervals={"k_per_s": (0.0, 9.0)},
        checks=replace(result.checks, clipped_share=0.5, misfit_chance=0.0, misfit_ratio=9.0),
    )
    better = Alternative(
        law="double", parameters={"k_per_s": 99.0}, k_per_s=99.0, fair_aicc=-1e9, numbers=5
    )
    other = replace(result, laws=replace(result.laws, alternatives={"double": better}))
    coarse = replace(wrong, checks=replace(result.checks, noise_steps=0.1, levels=4))
    strict = QualityThresholds(short_window_kt=1e9, low_signal_to_noise=1e9, uncertain_warn=0.0)
    found = {
        rule.id: rule.finding(**values)
        for rule in RULES.values()
        for item in (wrong, coarse, other)
        if rule.judge and (values := rule.judge(item, strict))
    }
    assert set(found) == {rule.id for rule in RULES.values() if rule.judge}
    assert all(
        len(say(item)) > len(say_shortly(item)) > 10
        for item in found.values()
        if item.rule not in ("uncertain",)
    )
    assert parse_findings(write_findings(tuple(found.values()))) == tuple(found.values())
    # File names and readers' refusals are not ours to word.
    foreign = [RULES["refused"].finding(because="unreadable", text="a; {b}.bka")] * 2
    assert reasons(foreign) == "a, {b}.bka; a, {b}.bka"


def test_every_rule_has_its_sentence() -> None:
    assert set(SENTENCES) == set(RULES)


def test_a_condition_says_in_words_what_its_shots_carry() -> None:
    """No id of a rule reaches a reader; what only series carry is named here."""
    of_series = {
        *("replicate-drift", "replicate-scatter", "scatter", "amplitude-falls", "off-curve"),
        *("little-excess", "no-excess", "without-outliers", "not-together", "shots"),
        *("none-fitted", "outlier-shot", "left-out"),
    }
    assert set(CARRIED_BY_A_SHOT) == set(RULES) - of_series
    ids = [rule for rule in RULES if "-" in rule]
    for rule in CARRIED_BY_A_SHOT:
        said = say(RULES["shots"].finding(of=3, rules=(rule,), files=("a.bka",)))
        assert said.startswith("1 of 3 shots with ")
        assert not [name for name in ids if name in said]
    rules = ("noisy", "slope", "start-removes")
    assert say_shortly(RULES["shots"].finding(of=3, rules=rules, files=("a.bka",))) == (
        "1 of 3 shots with a low signal to noise, a baseline that is not flat or a start that "
        "leaves out part of the reaction"
    )


def test_a_sentence_holds_names_as_users_gave_them() -> None:
    files = ("{0}.bka", "a; b.bka", "c.bka", "d.bka")
    shots = RULES["shots"].finding(of=9, rules=("slope",), files=files)
    assert say(shots) == (
        "4 of 9 shots with a baseline that is not flat ({0}.bka, a, b.bka, c.bka and 1 more)"
    )
    refused = RULES["refused"].finding(because="unreadable", text="{x} is no file")
    nothing = replace(RULES["none-fitted"].finding(), because=(refused, refused))
    assert say(nothing) == "no shot can be used: {x} is no file"
    assert say_shortly(nothing) == "no shot can be used"
    assert parse_findings(write_findings((shots, nothing))) == (shots, nothing)


@pytest.mark.parametrize("text", ["x", "{", "[1]", "{}", '[{"rule": "slope"}]', "[" * 10000])
def test_a_damaged_cell_of_findings_is_an_error_of_the_dataset(text: str) -> None:
    with pytest.raises(StoreError, match="findings"):
        parse_findings(text)


@pytest.mark.parametrize(
    ("rule", "values"),
    [("new-rule", {}), ("slope", {}), ("slope", {"change": "x"}), ("wrong-law", {"law": "x"})],
)
def test_a_finding_of_another_version_is_an_error_of_the_dataset(rule: str, values: Values) -> None:
    with pytest.raises(StoreError, match="ingest again"):
        say(Finding(rule=rule, verdict=Verdict.WARN, values=values))


def test_a_good_shot_passes(rng: np.random.Generator) -> None:
    verdicts = [analyse(shot(noisy(rng, decay()))).shots[0].verdict for _ in range(20)]
    assert verdicts.count(Verdict.PASS) == 20


def test_slope(rng: np.random.Generator) -> None:
    assert "slope" in rules_of(noisy(rng, decay(slope_per_s=0.3)))
    assert "slope" not in rules_of(noisy(rng, decay(slope_per_s=0.02)))


def test_slope_is_seen_with_a_law_that_has_none(rng: np.random.Generator) -> None:
    steep = analyse(shot(noisy(rng, decay(slope_per_s=0.5))), law="single").shots[0]
    assert "wrong-law" in {finding.rule for finding in steep.findings}
    assert steep.verdict is Verdict.FAIL
    (said,) = (say(finding) for finding in steep.findings if finding.rule == "wrong-law")
    assert "use --law single-slope or auto" in said


def test_the_best_of_several_laws_has_to_be_better_by_more(rng: np.random.Generator) -> None:
    """Of five rivals the best one gains 2 ln 5 = 3.2 more by chance."""
    result = analyse(shot(noisy(rng, decay())), law="single").shots[0].shot.result
    assert result is not None
    assert len(result.fit.rate_law.rivals) == 5
    k = result.fit.k_per_s + 5 * result.k_stderr_per_s
    own = result.laws["single"]
    heard = []
    for gain in (13.1, 13.3):
        rival = replace(own, law="stretched", k_per_s=k, fair_aicc=own.fair_aicc - gain)
        laws = replace(result.laws, alternatives={"single": own, "stretched": rival})
        found = RULES["wrong-law"].judge
        assert found is not None
        heard.append(found(replace(result, laws=laws), QualityThresholds()) is not None)
    assert heard == [False, True]


def test_short_window(rng: np.random.Generator) -> None:
    assert "short-window" in rules_of(noisy(rng, decay(3.0), sd=0.001))


def test_slow_sampling(rng: np.random.Generator) -> None:
    time = np.linspace(0, 10, 400)
    signal = np.exp(-25 * time) + 0.001 * rng.standard_normal(400)
    assert "slow-sampling" in rules_of(signal, time_s=time)


def test_undetermined_fails(rng: np.random.Generator) -> None:
    found = analyse(shot(noisy(rng, decay(2.2), sd=0.05))).shots[0]
    assert found.verdict is Verdict.FAIL
    assert found.findings


def test_uncertain(rng: np.random.Generator) -> None:
    assert "uncertain" in rules_of(noisy(rng, decay(20.0), sd=0.5))


def test_residual_runs(rng: np.random.Generator) -> None:
    wave = 0.02 * np.sin(2 * np.pi * 7 * TIME)
    assert "residual-runs" in rules_of(noisy(rng, decay() + wave))


def test_correlated_noise_alone_is_no_misfit(rng: np.random.Generator) -> None:
    chances = []
    for _ in range(200):
        noise = rng.standard_normal(1500)
        for at in range(1, len(noise)):
            noise[at] += 0.6 * noise[at - 1]
        chances.append(misfit(noise[200:], parameters=0)[1])
    assert np.mean(np.array(chances) < 0.01) < 0.04


def test_rounding_is_no_noise() -> None:
    """Behind the reaction a coarse signal stays on its level, and waves are those of rounding."""
    place = np.arange(400)
    residuals = np.where(place < 130, 4e-4, 0.0) + 1e-14 * np.sin(place / 3)
    assert estimate_noise(residuals) == Noise(sd=0.0, rho=0.0)


def test_saturation_fails(rng: np.random.Generator) -> None:
    signal = np.minimum(noisy(rng, decay(), sd=0.003), 2.7)
    found = analyse(shot(signal, start_s=0.0)).shots[0]
    assert "saturated" in {finding.rule for finding in found.findings}
    assert found.verdict is Verdict.FAIL


def test_clipped_share_counts_runs_at_the_ends_only() -> None:
    signal = np.array([5.0, 5, 5, 5, 5, 3, 3, 3, 3, 3, 2, 1, 0, 1])
    assert clipped_share(signal) == pytest.approx(5 / 14)


def test_a_clipped_stretch_is_where_values_pile_up(rng: np.random.Generator) -> None:
    wave = noisy(rng, decay(), sd=0.02)
    assert clipped_stretch(wave) == (0, 0)
    assert clipped_stretch(np.round(wave, 2)) == (0, 0)
    assert clipped_stretch(np.round(wave / 0.04) * 0.04) == (0, 0)
    for limited in (np.minimum(wave, 2.8), np.round(np.minimum(wave, 2.8), 2)):
        at = np.flatnonzero(limited == limited.max())
        assert clipped_stretch(limited) == (at[0], at[-1] + 1)
        assert clipped_stretch(-limited) == clipped_stretch(limited)


def test_quantisation(rng: np.random.Generator) -> None:
    assert "quantised" in rules_of(np.round(noisy(rng, decay(), sd=0.002), 1))
    assert "quantised" not in rules_of(np.round(noisy(rng, decay(), sd=0.01), 3))


def test_a_coarse_digitiser_alone_is_no_failure(rng: np.random.Generator) -> None:
    steps = np.round(noisy(rng, decay(), sd=0.001) / 0.02) * 0.02
    judged = analyse(shot(steps)).shots[0]
    assert judged.verdict is Verdict.WARN
    assert {finding.rule for finding in judged.findings} == {"quantised", "no-start"}
    assert judged.shot.result is not None
    assert judged.shot.result.fit.k_per_s == pytest.approx(20, rel=0.02)


def test_low_signal_to_noise(rng: np.random.Generator) -> None:
    assert "noisy" in rules_of(noisy(rng, decay(), sd=0.4))


def test_a_start_inside_the_artefact(rng: np.random.Generator) -> None:
    artefact = 0.8 * np.exp(-TIME / 3e-3)
    signal = noisy(rng, decay() + artefact)
    assert "early-start" in rules_of(signal, start_s=0.0)
    assert "early-start" not in rules_of(signal, start_s=0.03)


def test_no_start_and_no_fit_fails(rng: np.random.Generator) -> None:
    assert "no-start" in rules_of(noisy(rng, decay())[::30], time_s=TIME[::30])
    wave = 0.05 * np.sin(2 * np.pi * 30 * TIME)
    assert "artefact-inside" in rules_of(noisy(rng, decay() + wave))


def test_the_lab_s_own_rate(rng: np.random.Generator) -> None:
    assert "workbook-rate" in rules_of(noisy(rng, decay()), rate=30.0)
    assert "workbook-rate" not in rules_of(noisy(rng, decay()), rate=20.3)


def test_the_least_certain_rate_is_named(rng: np.random.Generator) -> None:
    """A second rate known to 30 % had passed beside a first one known to 1 %."""
    signal = 2 * np.exp(-60 * TIME) + 0.6 * np.exp(-8 * TIME)
    result = analyse(shot(noisy(rng, signal)), law="double").shots[0].shot.result
    assert result is not None
    k2 = result.fit.parameters["k2_per_s"]
    judge, limits = RULES["uncertain"].judge, QualityThresholds()
    assert judge is not None
    assert judge(result, limits) is None
    doubtful = replace(result, stderr={**result.stderr, "k2_per_s": 0.3 * k2})
    assert judge(doubtful, limits) == {"rate": "k2", "error": pytest.approx(0.3)}


def test_refusals_fail_with_their_reason() -> None:
    found = analyse(shot(np.ones(len(TIME)))).shots[0]
    assert found.verdict is Verdict.FAIL
    assert [finding.rule for finding in found.findings] == ["refused"]
    assert "constant" in say(found.findings[0])


@pytest.mark.parametrize("because", REFUSALS)
def test_a_refusal_is_said_alike_wherever_it_is_read(
    because: str, rng: np.random.Generator
) -> None:
    """In Python, and from a table, of which only the key and the values are stored."""
    names = [name for _, name, _, _ in Formatter().parse(REFUSALS[because][1]) if name]
    values = {name: rng.uniform(1, 9) for name in names}
    refusal = refuse(because, **values)
    (found,) = parse_findings(
        write_findings((RULES["refused"].finding(because=because, **values),))
    )
    assert say(found) == refusal.reason.replace("; ", ", ")
    assert len(refusal.reason) > 10
    assert "{" not in refusal.reason


def test_amplitude_that_falls_with_concentration(rng: np.random.Generator) -> None:
    shots = tuple(
        shot(
            noisy(rng, decay(k, amplitude=size)),
            file=f"{c}.bka",
            conditions=Conditions(concentration_M=c, substrate="S"),
        )
        for c, k, size in ((1e-3, 10, 1.0), (2e-3, 20, 0.95), (4e-3, 40, 0.5))
    )
    conditions = analyse(*shots).conditions
    found = [{finding.rule for finding in item.findings} for item in conditions]
    assert ["amplitude-falls" in item for item in found] == [False, False, True]


@pytest.mark.parametrize("end", [0, 1])
def test_a_limit_within_the_noise_is_one(end: int, rng: np.random.Generator) -> None:
    """A tenth of the points of a noisy end stand at the limit, no four of them in a row."""
    signal = (1 - 2 * end) * noisy(rng, decay(), sd=0.05)
    limit = np.quantile(signal, (0.1, 0.9)[end])
    clipped = np.maximum(signal, limit) if end == 0 else np.minimum(signal, limit)
    rules = [
        {finding.rule for finding in analyse(shot(item, start_s=0.0)).shots[0].findings}
        for item in (signal, clipped)
    ]
    assert "saturated" not in rules[0]
    assert "saturated" in rules[1]


@pytest.mark.parametrize("noise_steps", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("points", [150, 600, 3000])
def test_only_a_limit_makes_runs_that_noise_would_break(
    points: int, noise_steps: float, rng: np.random.Generator
) -> None:
    """Rounded to 8 to 40 levels: no plateau is a limit, however quiet; k 86 % off had passed."""
    time = np.linspace(0, 1, points)
    for _ in range(20):
        change = rng.uniform(8, 40) * np.exp(-rng.uniform(4, 15) * time)
        noise = noise_steps * rng.standard_normal(points)
        assert unbroken_share(np.round(change + noise + rng.uniform())) == 0
        if noise_steps == 0.5:
            limited = np.minimum(change + noise, 0.5 * change[0])
            flat = np.round(limited + rng.uniform())
            assert unbroken_share(flat) > 0 or (limited == limited.max()).sum() < 100


@pytest.mark.parametrize("law", ["auto", "second-order", "single"])
def test_stated_equal_concentrations_are_second_order(law: str, rng: np.random.Generator) -> None:
    """They were FAIL for want of an excess, under whatever law, and k was said to be unsure."""
    shots = tuple(
        shot(
            1 / (1 + 40 * TIME) + 0.02 * rng.standard_normal(len(TIME)),
            file=f"{number}.bka",
            start_s=0.0,
            conditions=Conditions(
                concentration_M=1e-5,
                temperature_K=298.15,
                replicate=number,
                extra={"Enzyme (uM)": "10"},
            ),
        )
        for number in range(1, 9)
    )
    settings = AnalysisSettings(law=law)
    analysed = analyse_experiment(Experiment(name="lab", shots=shots), settings)
    (found,) = analyse_lab([analysed], settings).experiments
    rules = {finding.rule for finding in found.conditions[0].findings}
    if law == "single":
        assert "no-excess" in rules
    else:
        assert {judged.verdict for judged in found.shots} == {Verdict.PASS}
        assert not rules


def test_the_outlier_is_named(rng: np.random.Generator) -> None:
    experiment = series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0}, shots=5)
    shots = list(experiment.shots)
    odd = shots[7]
    shots[7] = shot(noisy(rng, decay(26.0)), file=odd.file, conditions=odd.conditions)
    found = analyse(*shots)
    named = [
        judged.shot.file
        for judged in found.shots
        for finding in judged.findings
        if finding.rule == "left-out"
    ]
    assert named == [odd.file]
    assert found.conditions[1].findings


def test_a_condition_names_the_shot_that_is_not_like_its_replicates(
    rng: np.random.Generator,
) -> None:
    """Of three shots none is left out, and nothing is wrong with the shot itself."""
    experiment = series(rng, {1e-3: 10.0, 2e-3: 20.0, 3e-3: 30.0, 4e-3: 40.0}, shots=3)
    shots = list(experiment.shots)
    odd = shots[4]
    shots[4] = shot(noisy(rng, decay(26.0)), file=odd.file, conditions=odd.conditions)
    found = analyse(*shots)
    (of_shot,) = found.shots[4].among
    assert of_shot.rule == "outlier-shot"
    assert not found.shots[4].own
    of_condition = found.conditions[1].findings
    assert replace(of_shot, about=odd.file) in of_condition
    assert "shots" not in {finding.rule for finding in of_condition}
    assert f"in {odd.file}, k differs by" in reasons(of_condition)


def test_a_condition_without_a_rate_fails() -> None:
    found = analyse(shot(np.ones(len(TIME)), conditions=Conditions(concentration_M=1e-3)))
    assert verdict_of(found.conditions[0].findings) is Verdict.FAIL
    assert "constant" in say(found.conditions[0].findings[0])


def test_judging_a_lab_again_changes_nothing(rng: np.random.Generator) -> None:
    first = analyse_lab([analyse_experiment(series(rng, {1e-3: 10.0, 2e-3: 20.0}, shots=5))])
    again = analyse_lab(first.experiments)
    assert [item.findings for item in first.experiments[0].conditions] == [
        item.findings for item in again.experiments[0].conditions
    ]


def test_thresholds_are_checked() -> None:
    with pytest.raises(SettingsError, match=r"quality\.slope_share"):
        QualityThresholds(slope_share=-1)


@pytest.mark.parametrize("points", [40, 90, 700])
def test_the_first_residuals_are_set_against_all_others(points: int, rng) -> None:
    """The smallest chance of F tests of the first 2, 4, 8, ... residuals against the others."""
    residuals = rng.normal(size=points)
    residuals[:8] *= 3
    sizes = [2**n for n in range(1, 7) if 2**n <= points // 4]
    tests = []
    for size in sizes:
        first, rest = np.split(residuals**2, [size])
        free = len(rest) - 3
        ratio = first.mean() / (rest.sum() / free)
        tests.append((stats.f.sf(ratio, size, free), ratio))
    chance, ratio = min(tests)
    expected = (ratio, min(chance * len(sizes), 1))
    assert early_misfit(residuals, parameters=3) == pytest.approx(expected, rel=1e-9)
