"""What is installed, which device there is, which data was found, and what is wrong."""

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from stopflow import __version__
from stopflow.errors import StopflowError
from stopflow.io.folder import find_experiments
from stopflow.pipeline.find import DESCRIPTION
from stopflow.store import load_dataset
from stopflow.wording import count_things

ROOM_NEEDED_GB = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing looked at; `wrong` says what to do about it, empty when it is fine."""

    what: str
    found: str
    wrong: str = ""


def examine(folder: Path) -> list[Examined]:
    """Look at the installation and at the lab in `folder`."""
    return [
        Examined(what="stopflow", found=f"{__version__} on Python {platform.python_version()}"),
        *_libraries(),
        _device(),
        _disk(folder),
        _data(folder),
        _dataset(folder / "data" / "ingested"),
        _models(folder / "models"),
    ]


def _libraries() -> list[Examined]:
    findings = []
    for requirement in requires("stopflow") or []:
        if "extra ==" in requirement:
            continue
        name = requirement.split(">=")[0].strip()
        try:
            findings.append(Examined(what=name, found=version(name)))
        except PackageNotFoundError:
            findings.append(
                Examined(what=name, found="missing", wrong=f"install it: pip install {name}")
            )
    return findings


def _device() -> Examined:
    from stopflow.learn.device import describe_devices

    return Examined(what="device", found=describe_devices())


def _disk(folder: Path) -> Examined:
    free_gb = shutil.disk_usage(folder).free / 1e9
    wrong = "make room; a large lab needs it" if free_gb < ROOM_NEEDED_GB else ""
    return Examined(what="free disk", found=f"{free_gb:.1f} GB", wrong=wrong)


def _data(folder: Path) -> Examined:
    experiments = find_experiments(folder)
    if not experiments:
        return Examined(
            what="shots",
            found=f"no trace files below {folder}",
            wrong="put folders of traces there, or try: stopflow simulate data/simulated",
        )
    return Examined(what="shots", found=count_things(len(experiments), "experiment folder"))


def _dataset(folder: Path) -> Examined:
    try:
        dataset = load_dataset(folder)
    except StopflowError as error:
        return Examined(what="dataset", found="none", wrong=str(error))
    made = dataset.provenance.get("version")
    stale = f"made by version {made}; ingest again" if made != __version__ else ""
    return Examined(what="dataset", found=f"{len(dataset.shots)} shots", wrong=stale)


def _models(folder: Path) -> Examined:
    from stopflow.learn.saved import load_model

    names, broken = [], []
    for place in sorted(path.parent for path in folder.glob(f"*/{DESCRIPTION}")):
        try:
            load_model(place)
        except StopflowError as error:
            broken.append(str(error))
        else:
            names.append(place.name)
    wrong = "; ".join(f"{text}: remove or train again" for text in broken)
    return Examined(what="models", found=", ".join(names) or "none trained here", wrong=wrong)
