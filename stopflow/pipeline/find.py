"""Where models and shots are: what a user may name, and what to say when it is not there."""

from collections.abc import Sequence
from pathlib import Path

import stopflow
from stopflow.errors import SettingsError
from stopflow.io.readers.reading import split_push

DEFAULT_MODEL = "shape"
DESCRIPTION = "model.json"


def find_model(name: str | None, models: Path) -> Path:
    """Return the folder of a model: a path, a name in `models`, or a shipped one; None: default.

    Raises
    ------
    SettingsError
        When there is none of that name; lists those there are.
    """
    places = [models, *_shipped_places()]
    wanted = DEFAULT_MODEL if name is None else name
    candidates = [Path(wanted), *(place / wanted for place in places)]
    if name is None:
        candidates = [place / wanted for place in _shipped_places()]
    for folder in candidates:
        if (folder / DESCRIPTION).is_file():
            return folder
    known = ", ".join(known_models(models)) or "none yet"
    raise SettingsError("model", wanted, valid=f"{known}, or a model's folder; train makes more")


def require_file(file: Path) -> Path:
    """Return `file` when it is one.

    Raises
    ------
    SettingsError
        When it is not there, or a folder; says what to do instead.
    """
    if file.is_dir():
        raise SettingsError("FILE", str(file), valid=f"a trace file; for folders: ingest {file}")
    if not split_push(file)[0].exists():
        raise SettingsError("FILE", str(file), valid="the path of a trace file that is there")
    return file


def known_models(models: Path) -> Sequence[str]:
    """Names of the models in `models` and of the shipped ones."""
    places = [models, *_shipped_places()]
    found = {path.parent.name for place in places for path in place.glob(f"*/{DESCRIPTION}")}
    return sorted(found)


def _shipped_places() -> list[Path]:
    package = Path(stopflow.__file__).parent
    return [package / "shipped", package.parent / "models"]
