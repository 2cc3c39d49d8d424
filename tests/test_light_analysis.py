"""What is kept of an analysis for the comparison of experiments gives the same comparison."""

import pickle

import pytest

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    analyse_experiment,
    analyse_lab,
    condition_rows,
    judgements,
    secondary_rows,
)
from stopflow.kinetics.verdicts.awaiting_comparison import LightShots, lighten
from stopflow.pipeline.lab import ingest as ingesting
from stopflow.pipeline.lab.gather import compare_folders
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab


@pytest.mark.whole
@pytest.mark.parametrize(("law", "second_phase"), [("single-slope", 0.0), ("double", 0.45)])
def test_experiments_without_their_fits_are_compared_alike(tmp_path, law, second_phase):
    spec = LabSpec(folders=3, traces=(12, 15), points=1500, second_phase=second_phase)
    write_lab(tmp_path, spec=spec, seed=3)
    settings = AnalysisSettings(law=law)
    whole = [analyse_experiment(read_experiment(f), settings) for f in find_experiments(tmp_path)]
    light = [lighten(analysis.without_fits()) for analysis in whole]
    first, second = analyse_lab(whole, settings), analyse_lab(light, settings)
    assert len(secondary_rows(first)) > 10
    assert repr(secondary_rows(second)) == repr(secondary_rows(first))
    for one, other in zip(first.experiments, second.experiments, strict=True):
        assert repr(condition_rows(other)) == repr(condition_rows(one))
        assert judgements(other) == judgements(one)
        assert [shot.usable for shot in other.shots] == [shot.usable for shot in one.shots]


def test_a_light_analysis_takes_a_fraction_of_the_memory(tmp_path):
    write_lab(tmp_path, spec=LabSpec(folders=1, traces=(12, 12), points=500), seed=3)
    analysis = analyse_experiment(read_experiment(find_experiments(tmp_path)[0]))
    sizes = [len(pickle.dumps(one.shots)) for one in (analysis, analysis.without_fits())]
    assert sizes[1] < 0.1 * sizes[0]


def test_columns_that_differ_from_shot_to_shot_are_held_once(tmp_path):
    write_lab(tmp_path, spec=LabSpec(folders=1, traces=(24, 24), points=500), seed=3)
    analysis = analyse_experiment(read_experiment(find_experiments(tmp_path)[0]))
    assert len({tuple(one.shot.conditions.extra.items()) for one in analysis.shots}) == 24
    light = analysis.without_fits()
    assert len({id(one.shot.conditions) for one in light.shots}) <= len(analysis.conditions) + 1


def test_of_the_folders_that_were_done_less_than_a_kilobyte_a_shot_is_held(tmp_path, monkeypatch):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=3, traces=(12, 12), points=500), seed=3)
    held = []

    def looking(gathered, *rest, **further):
        held.append(pickle.dumps(gathered))
        assert len(gathered.results) == 3
        held_rows = (one.shots or one.cuts or one.traces or one.sha256 for one in gathered.results)
        assert not any(held_rows)
        compare_folders(gathered, *rest, **further)

    monkeypatch.setattr("stopflow.pipeline.lab.gather.compare_folders", looking)
    settings = ingesting.IngestSettings(workers=1)
    dataset = ingesting.ingest(tmp_path / "lab", out=tmp_path / "out", settings=settings)
    assert len(held[0]) < 700 * len(dataset.shots)


def test_a_light_shot_is_made_anew_as_it_was(tmp_path):
    spec = LabSpec(folders=1, traces=(30, 30), points=1000, disturbed_share=0.2)
    write_lab(tmp_path, spec=spec, seed=7)
    analysis = analyse_experiment(read_experiment(find_experiments(tmp_path)[0])).without_fits()
    light = lighten(analysis).shots
    assert isinstance(light, LightShots)
    assert 0 < len(light.own) < len(analysis.shots)
    assert len(light.alike) < len(analysis.shots) - len(light.own)
    assert repr(list(light)) == repr(list(analysis.shots))
    assert repr(light[1:4]) == repr(list(analysis.shots[1:4]))
    assert light[-1].shot.file == analysis.shots[-1].shot.file
