"""A folder with everything wrong in it: each thing is listed, the rest is read all the same."""

import unicodedata
from pathlib import Path

import pytest
from books import save_book

from stopflow.errors import SettingsError
from stopflow.io.bka.format import write_bka
from stopflow.io.folder import find_experiments, read_experiment
from stopflow.io.truth import read_truth
from stopflow.io.workbook.writer import write_workbooks
from stopflow.trace import Conditions, Experiment, Shot

TIME_MS = list(range(20))
SIGNAL = [20.0 - value for value in TIME_MS]


def write_file(path: Path, *, time_unit: str = "ms", channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    signals = [[channel * value for value in SIGNAL] for channel in range(1, channels + 1)]
    write_bka(
        path,
        time=TIME_MS,
        signals=signals,
        time_unit=time_unit,
        signal_units=["Volt"] * channels,
    )


def levels(experiment: Experiment, level: str) -> list[str]:
    return [str(problem) for problem in experiment.problems if problem.level == level]


def by_file(experiment: Experiment) -> dict[str, Shot]:
    return {shot.file: shot for shot in experiment.shots}


def test_a_good_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run 1"
    shots = [
        Shot(
            experiment="run 1",
            file=f"shot {number}.bka",
            trace=None,
            start_s=0.005,
            workbook_rate_per_s=float(number),
            conditions=Conditions(substrate="NADH", concentration_M=1e-5, replicate=number),
        )
        for number in (1, 2, 10)
    ]
    for shot in shots:
        write_file(folder / shot.file)
    write_workbooks(folder, shots)
    experiment = read_experiment(folder)
    assert experiment.name == "run 1"
    assert [shot.file for shot in experiment.shots] == ["shot 1.bka", "shot 2.bka", "shot 10.bka"]
    assert levels(experiment, "error") == levels(experiment, "warning") == []
    for read, written in zip(experiment.shots, shots, strict=True):
        assert read.trace is not None
        assert read.trace.time_s.tolist() == [value / 1000 for value in TIME_MS]
        assert read.trace.signal.tolist() == SIGNAL
        assert (read.start_s, read.workbook_rate_per_s) == (0.005, written.workbook_rate_per_s)
        assert read.conditions == written.conditions
    assert read_experiment(folder, name="other").shots[0].experiment == "other"


def test_everything_that_does_not_match_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    write_file(tmp_path / "good.bka")
    write_file(tmp_path / "no row.bka")
    write_file(tmp_path / "no start.bka")
    (tmp_path / "empty.bka").write_bytes(b"")
    (tmp_path / "wrong.bka").write_bytes(b"\x89PNG")
    write_bka(tmp_path / "cd.bka", time=TIME_MS, signals=SIGNAL, time_unit="nm")
    (tmp_path / "nan.bka").write_bytes(
        (tmp_path / "good.bka").read_bytes().replace(b"\t15\r\n", b"\tOOPS\r\n")
    )
    names = ["good.bka", "empty.bka", "wrong.bka", "cd.bka", "nan.bka"]
    rows = [["Filename", "x_start"], *([name, 5] for name in names)]
    rows += [["no start.bka", None], ["gone.bka", 5], ["../x.bka", 5], ["good.bka", 9]]
    save_book(tmp_path / "start_values.XLSX", {"start_values": rows})
    experiment = read_experiment(tmp_path, name="e")
    shots = by_file(experiment)
    assert shots["good.bka"].start_s == 0.005
    refused = {name: shot.refusal for name, shot in shots.items() if shot.trace is None}
    assert set(refused) == {"empty.bka", "wrong.bka", "cd.bka", "nan.bka"}
    assert "empty file" in refused["empty.bka"]
    assert "'nm'" in refused["cd.bka"]
    assert "line 11, column 2: found 'OOPS'" in refused["nan.bka"]
    errors = "\n".join(levels(experiment, "error"))
    for part in ("e/empty.bka", "e/wrong.bka, line 1", "e/cd.bka", "e/nan.bka, line 11"):
        assert part in errors
    assert "sheet 'start_values', row 8: 'gone.bka', which is not there" in errors
    assert "cell A9: '../x.bka'" in errors
    assert "row 10: 'good.bka' again" in errors
    warnings = "\n".join(levels(experiment, "warning"))
    assert "e/no row.bka: a file without a row" in warnings
    assert "e/no start.bka: no start time (start_values.XLSX" in warnings
    assert "e/Extended_Dataset.XLSX: no workbook" in "\n".join(levels(experiment, "note"))
    assert len(levels(experiment, "error")) == 7
    assert len(levels(experiment, "warning")) == 2


def test_start_time_is_in_the_unit_of_the_file_unless_it_says_one(tmp_path: Path) -> None:
    write_file(tmp_path / "ms.bka")
    write_file(tmp_path / "s.bka", time_unit="s")
    write_file(tmp_path / "own.bka", time_unit="s")
    rows = [["Filename", "x_start"], ["ms", 5], ["s", 5], ["own", "5 ms"]]
    save_book(tmp_path / "starts.xlsx", {"s": rows})
    starts = {name: shot.start_s for name, shot in by_file(read_experiment(tmp_path)).items()}
    assert starts == {"ms.bka": 0.005, "s.bka": 5.0, "own.bka": 0.005}


def test_no_unit_in_the_file(tmp_path: Path) -> None:
    write_file(tmp_path / "a.bka", time_unit="")
    save_book(tmp_path / "starts.xlsx", {"s": [["Filename", "x_start"], ["a", 5]]})
    assumed = read_experiment(tmp_path)
    assert assumed.shots[0].start_s == 0.005
    assert any("time taken as ms" in text for text in levels(assumed, "warning"))
    assert read_experiment(tmp_path, time_unit="s").shots[0].start_s == 5.0
    with pytest.raises(SettingsError, match="parsec"):
        read_experiment(tmp_path, time_unit="parsec")


def test_channels_of_file_and_workbook(tmp_path: Path) -> None:
    write_file(tmp_path / "two.bka", channels=2)
    write_file(tmp_path / "one.bka")
    rows = [["Filename", "Channel", "Rate", "[S] (mM)"]]
    rows += [["two", 1, 10, 1], ["two", 2, 20, 1], ["one", 2, 30, 1]]
    save_book(tmp_path / "rates.xlsx", {"s": rows})
    for channel, rate in ((1, 10.0), (2, 20.0)):
        shots = by_file(read_experiment(tmp_path, channel=channel))
        two = shots["two.bka"]
        assert two.trace is not None
        assert two.trace.signal.tolist() == [channel * value for value in SIGNAL]
        assert two.workbook_rate_per_s == rate
        assert two.channel == channel
    assert "channel 2" in shots["one.bka"].refusal
    assert by_file(read_experiment(tmp_path))["one.bka"].workbook_rate_per_s == 30.0


def test_a_rate_of_another_channel_is_not_this_ones(tmp_path: Path) -> None:
    write_file(tmp_path / "two.bka", channels=2)
    rows = [["Filename", "Channel", "Rate", "[S] (mM)", "x_start"], ["two", 1, 10, 1, 5]]
    save_book(tmp_path / "rates.xlsx", {"s": rows})
    shot = read_experiment(tmp_path, channel=2).shots[0]
    assert shot.workbook_rate_per_s is None
    assert (shot.conditions.concentration_M, shot.start_s) == (1e-3, 0.005)


def test_no_workbooks_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "a.bka")
    experiment = read_experiment(tmp_path)
    assert experiment.shots[0].trace is not None
    assert experiment.shots[0].conditions == Conditions()
    assert len(levels(experiment, "note")) == 2
    assert levels(experiment, "warning") == levels(experiment, "error") == []


def test_names_in_other_cases_and_other_unicode(tmp_path: Path) -> None:
    write_file(tmp_path / unicodedata.normalize("NFD", "é µM.BKA"))
    save_book(tmp_path / "starts.xlsx", {"s": [["Filename", "x_start"], ["É µm", 5]]})
    experiment = read_experiment(tmp_path)
    assert experiment.shots[0].start_s == 0.005


def test_files_that_differ_only_in_case_keep_their_own_rows(tmp_path: Path) -> None:
    write_file(tmp_path / "a.bka")
    write_file(tmp_path / "A.bka")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system does not tell case apart")
    (tmp_path / "one.csv").write_text("Filename,x_start\na.bka,5\n", encoding="utf-8")
    (tmp_path / "two.csv").write_text("Filename,x_start,Rate\nA.bka,7,1\n", encoding="utf-8")
    shots = by_file(read_experiment(tmp_path))
    assert {name: shot.start_s for name, shot in shots.items()} == {"a.bka": 0.005, "A.bka": 0.007}


def test_experiments_below_a_folder(tmp_path: Path) -> None:
    for name in ("run 10/a.bka", "run 2/a.BKA", "run 2/deep/run 1/x.Bka", "top.bka"):
        write_file(tmp_path / name)
    for name in ("ingested/run/a.bka", ".hidden/a.bka", "run 2/ingested/a.bka", "h/.a.bka"):
        write_file(tmp_path / name)
    (tmp_path / "none" / "sub.bka").mkdir(parents=True)
    (tmp_path / "run 2" / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = [folder.relative_to(tmp_path).as_posix() for folder in find_experiments(tmp_path)]
    mine = ["ingested/run", "run 2", "run 2/deep/run 1", "run 2/ingested", "run 10"]
    assert found == [".", *mine]
    assert find_experiments(tmp_path / "none") == []
    assert find_experiments(tmp_path / "nowhere") == []


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    write_file(tmp_path / "elsewhere" / "a.bka")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert find_experiments(tmp_path / "data") == [tmp_path / "data" / "mine"]


def test_truth(tmp_path: Path) -> None:
    assert read_truth(tmp_path) == ({}, [])
    path = tmp_path / "truth.csv"
    path.write_text(
        "experiment,file,k_true_per_s,start_true_s\nx,a.bka,1.5,0.01\nx,b.bka,2,0\n",
        encoding="utf-8",
    )
    assert read_truth(tmp_path) == ({("x", "a.bka"): 1.5, ("x", "b.bka"): 2.0}, [])
    path.write_text("experiment,file,k_true_per_s\nx,a.bka,fast\nx,b.bka,2\n", encoding="utf-8")
    truth, problems = read_truth(tmp_path)
    assert truth == {("x", "b.bka"): 2.0}
    assert "line 2" in str(problems[0])
    assert "'fast'" in str(problems[0])
    path.write_text("experiment,file\nx,a.bka\n", encoding="utf-8")
    assert "k_true_per_s" in str(read_truth(tmp_path)[1][0])
    path.write_text(
        f"experiment,file,k_true_per_s\nx,b.bka,2\nx,{'a' * 140_000},1\n", encoding="utf-8"
    )
    truth, problems = read_truth(tmp_path)
    assert truth == {("x", "b.bka"): 2.0}
    assert "cannot be read to its end" in str(problems[0])
