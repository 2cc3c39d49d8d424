"""The curve of truncations says what each truncation by itself says, and is drawn and written."""

import csv

import numpy as np
import pytest
from small_images import make_class_data, make_images, write_images

from stopflow.errors import SettingsError
from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.train import class_settings, train_classifier
from stopflow.learn.compress import (
    NotSmallerError,
    Share,
    compress_subject,
    smallest_within_spread,
)
from stopflow.learn.compress_curve import PARTS, compress_curve
from stopflow.learn.saved import save_model
from stopflow.lowrank import count_parameters
from stopflow.pipeline.networks.compress import measure_curve

SMALL = {"hidden": (24, 16), "batch_size": 16, "validation_count": 40, "epochs": 6}


@pytest.fixture(scope="module")
def images():
    return make_class_data(np.random.default_rng(17))


@pytest.fixture(scope="module")
def subject(images):
    settings = class_settings(layer="dense", optimiser="adam", learning_rate=5e-3, **SMALL)
    return ClassSubject(classifier=train_classifier(images, settings).model, data=images)


@pytest.fixture(scope="module")
def points(subject):
    return compress_curve(subject)


def test_the_first_point_is_the_model_itself(points, subject):
    first = points[0]
    assert (first.criterion, first.share, first.latency_ratio) == ("none", 1.0, 1.0)
    assert first.scores["accuracy"] == pytest.approx(1 - first.error)
    assert first.scores == subject.scores(subject.network)


@pytest.mark.parametrize("data_aware", [False, True])
@pytest.mark.parametrize(("criterion", "kept"), [("entropy", 0.6), ("energy", 0.9), ("rank", 5)])
def test_a_point_is_what_the_truncation_alone_gives(points, subject, criterion, kept, data_aware):
    (point,) = (
        p for p in points if (p.criterion, p.kept, p.data_aware) == (criterion, kept, data_aware)
    )
    alone = compress_subject(subject, Share(**{criterion: kept}, data_aware=data_aware))
    assert point.parameters == alone.parameters_after
    assert point.error == pytest.approx(alone.judgement.after)


@pytest.mark.parametrize("criterion", ["entropy", "energy"])
def test_more_kept_never_holds_fewer_values(points, criterion):
    own = [p for p in points if p.criterion == criterion and not p.data_aware]
    assert [p.kept for p in own] == list(PARTS)
    assert all(np.diff([p.parameters for p in own]) >= 0)
    assert own[0].share < 0.5
    assert own[-1].error <= own[0].error


def test_ranks_above_the_full_one_are_left_out(points):
    assert max(p.kept for p in points if p.criterion == "rank") == 20


def test_without_data_there_is_no_curve(subject):
    with pytest.raises(SettingsError, match=r"--dataset or --data is missing"):
        compress_curve(ClassSubject(classifier=subject.classifier))


def test_it_is_drawn_and_written_and_makes_no_model(tmp_path, subject):
    data = write_images(tmp_path / "pictures", make_images(np.random.default_rng(17)))
    save_model(tmp_path / "models" / "small", subject.classifier, metrics={})
    found = measure_curve(
        "small",
        dataset=tmp_path,
        data=data,
        models=tmp_path / "models",
        reports=tmp_path / "reports",
    )
    assert [path.name for path in found.written] == ["small-compress.csv", "small-compress.pdf"]
    with found.written[0].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.rows)
    assert {"accuracy", "macro_f1", "latency_ratio", "share"} <= set(rows[0])
    assert found.written[1].read_bytes().startswith(b"%PDF")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]
    columns, cells = found.table()
    assert all(len(line) == len(columns) for line in cells)


def test_a_choice_leaves_room_for_the_rows_that_it_is_judged_on(subject):
    """Errors of 0.02 have a standard error of 0.0014 here."""
    network, rows = subject.network, 10_000

    def choose(rate_after):
        def errors(judged):
            found = np.zeros(rows)
            found[: round((0.02 if judged is network else rate_after) * rows)] = 1.0
            return found

        return smallest_within_spread(subject, subject.known_inputs(), errors)

    assert count_parameters(choose(0.0206).network) < count_parameters(network)
    with pytest.raises(NotSmallerError, match="no smaller network keeps the error"):
        choose(0.0224)
