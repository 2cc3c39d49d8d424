"""Where models are: the user's own, and those that come with the package."""

from collections.abc import Sequence
from pathlib import Path

import stopflow
from stopflow.errors import SettingsError

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
    wanted = name or DEFAULT_MODEL
    candidates = [Path(wanted), *(place / wanted for place in places)]
    if name is None:
        candidates = [place / wanted for place in _shipped_places()]
    for folder in candidates:
        if (folder / DESCRIPTION).is_file():
            return folder
    raise SettingsError("model", wanted, valid=known_models(models) or "a folder with a model.json")


def known_models(models: Path) -> Sequence[str]:
    """Names of the models in `models` and of the shipped ones."""
    places = [models, *_shipped_places()]
    found = {path.parent.name for place in places for path in place.glob(f"*/{DESCRIPTION}")}
    return sorted(found)


def _shipped_places() -> list[Path]:
    package = Path(stopflow.__file__).parent
    return [package / "shipped", package.parent / "models"]
