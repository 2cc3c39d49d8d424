"""Datasets that are merged are those of one ingest of all their folders."""

import json
import shutil
import zipfile

import pytest
from cli_lab import exit_code

from stopflow.errors import StopflowError, StoreError
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.lab.kept import ONCE
from stopflow.pipeline.lab.merge import merge_datasets
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab
from stopflow.store import KEPT

ALONE = IngestSettings(workers=1)
OF_THE_PLACE = ("command", "digest", "lab", "merged")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two labs, one with a broken file, their datasets, and a lab and dataset of all folders."""
    root = tmp_path_factory.mktemp("merge")
    write_lab(root / "all", spec=LabSpec(folders=4, traces=(4, 5), points=400), seed=1)
    folders = sorted(path for path in (root / "all").iterdir() if path.is_dir())
    broken = sorted(folders[1].glob("*.bka"))[0]
    broken.write_bytes(broken.read_bytes()[:200] + b"\n1\tx\n")
    (folders[2] / "decisions.csv").write_text(
        f"file,use,note\n{sorted(folders[2].glob('*.bka'))[0].name},no,bubble\n"
    )
    for name, part in (("a", folders[:2]), ("b", folders[2:])):
        (root / name).mkdir()
        shutil.copy(root / "all" / "truth.csv", root / name)
        for folder in part:
            shutil.copytree(folder, root / name / folder.name)
    for name in ("a", "b", "all"):
        ingest(root / name, out=root / f"{name}-out", settings=ALONE)
    return root


def inputs(made):
    return [made / "a-out", made / "b-out"]


def content(out):
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    described = json.loads(files.pop("ingest.json"))
    files.pop(KEPT)  # its keys name the folders' paths, which differ
    return files, {name: value for name, value in described.items() if name not in OF_THE_PLACE}


def test_the_bytes_are_those_of_one_ingest_of_all_folders(made, tmp_path):
    merged = merge_datasets(inputs(made), out=tmp_path / "out")
    assert content(tmp_path / "out") == content(made / "all-out")
    assert len(merged.problems) > 1
    assert len(merged.provenance["left_out"]) == 1
    assert merged.provenance["merged"] == [
        json.loads((place / "ingest.json").read_text())["digest"] for place in inputs(made)
    ]
    with zipfile.ZipFile(tmp_path / "out" / KEPT) as archive:
        assert sum(name.startswith(ONCE) for name in archive.namelist()) == 1


def test_what_was_merged_can_be_merged_again_and_in_its_own_place(made, tmp_path):
    shutil.copytree(made / "a-out", tmp_path / "grown")
    merge_datasets([tmp_path / "grown", made / "b-out"], out=tmp_path / "grown")
    assert content(tmp_path / "grown") == content(made / "all-out")


def test_the_same_experiment_twice_is_refused(made, tmp_path):
    with pytest.raises(StopflowError, match=r"several of the datasets hold an experiment '01_"):
        merge_datasets([made / "a-out", made / "all-out"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_dataset_alone_or_twice_is_refused(made, tmp_path):
    for given in ([made / "a-out"], [made / "a-out", made / "b-out" / ".." / "a-out"]):
        with pytest.raises(StopflowError, match="two or more"):
            merge_datasets(given, out=tmp_path / "out")


@pytest.mark.whole
def test_other_settings_are_named(made, tmp_path):
    settings = IngestSettings(workers=2, analysis=AnalysisSettings(dead_time_s=2e-3))
    ingest(made / "b", out=tmp_path / "other", settings=settings)
    with pytest.raises(StopflowError, match=r"different settings \(analysis\)"):
        merge_datasets([made / "a-out", tmp_path / "other"], out=tmp_path / "out")


@pytest.mark.whole
@pytest.mark.parametrize("name", [KEPT, "signal.f64"])
def test_a_damaged_dataset_is_refused_and_nothing_is_written(made, tmp_path, name):
    shutil.copytree(made / "b-out", tmp_path / "damaged")
    whole = (tmp_path / "damaged" / name).read_bytes()
    half = len(whole) // 2
    (tmp_path / "damaged" / name).write_bytes(
        whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :]
    )
    with pytest.raises(StoreError, match="run stopflow ingest again"):
        merge_datasets([made / "a-out", tmp_path / "damaged"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_what_it_keeps_is_refused(made, tmp_path):
    shutil.copytree(made / "b-out", tmp_path / "older")
    (tmp_path / "older" / KEPT).unlink()
    with pytest.raises(StoreError, match=r"folders\.zip.*run stopflow ingest again"):
        merge_datasets([made / "a-out", tmp_path / "older"], out=tmp_path / "out")


def test_the_command_says_what_it_wrote(made, tmp_path, capsys):
    out = tmp_path / "out"
    assert exit_code("merge", *inputs(made), "--out", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["experiments"] == 4
    assert exit_code("merge", made / "a-out", made / "a", "--out", out) == 2
    assert "holds no dataset" in capsys.readouterr().err
