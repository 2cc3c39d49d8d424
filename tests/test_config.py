"""Settings from TOML: right ones are built, wrong ones are named with what would be valid."""

from dataclasses import fields

import pytest

from stopflow.cli.settings_options import SETTINGS
from stopflow.config import build_settings, read_config
from stopflow.errors import FormatError, SettingsError
from stopflow.learn.settings import TrainSettings
from stopflow.pipeline.lab.ingest import IngestSettings, ingest_settings


def written(tmp_path, text):
    path = tmp_path / "lab.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_are_converted_to_the_types_of_the_settings():
    settings = build_settings(TrainSettings, {"hidden": [64, 32], "epochs": 7}, where="x")
    assert settings.hidden == (64, 32)
    assert settings.epochs == 7


def test_options_win_over_the_file(tmp_path):
    path = written(tmp_path, '[ingest]\nlaw = "double"\nchannel = 2\n')
    settings = ingest_settings(path, law="single", channel=None)
    assert settings.analysis.law == "single"
    assert settings.channel == 2


def test_without_a_file_the_defaults_hold():
    assert ingest_settings() == IngestSettings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[ingets]\n", ["ingets", "ingest", "quality"]),
        ('[ingest]\nlow = "single"\n', ["low", "law"]),
        ('[ingest]\nlaw = "tripel"\n', ["triple", "single-slope"]),
        ('[ingest]\nchannel = "two"\n', ["channel", "two"]),
        ("[quality]\nno_such_rule = 3\n", ["no_such_rule"]),
        ("[ingest]\nworkers = -3\n", ["workers", "-3", "from 0"]),
        ("[ingest]\nchannel = 0\n", ["channel", "from 1"]),
        ('[ingest]\ntime_unit = "lightyear"\n', ["time_unit", "lightyear", "s, ms, us, ns, min"]),
    ],
)
def test_what_is_not_valid_is_named_with_what_would_be(tmp_path, text, named):
    with pytest.raises(SettingsError) as caught:
        ingest_settings(written(tmp_path, text))
    for word in named:
        assert word in str(caught.value)


def test_a_file_that_is_no_toml_is_named_with_its_line(tmp_path):
    with pytest.raises(FormatError, match="line 2"):
        read_config(written(tmp_path, "[ingest]\nlaw = \n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml"):
        read_config(tmp_path / "none.toml")


def test_every_option_of_training_sets_a_field_of_the_settings():
    assert set(SETTINGS) <= {item.name for item in fields(TrainSettings)}
