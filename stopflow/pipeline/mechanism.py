"""A mechanism fitted to a folder: scheme, concentrations and options to constants and a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stopflow.config import read_toml
from stopflow.errors import SettingsError
from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.analysis import analyse_experiment
from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.determined import Determination, determine
from stopflow.mechanism.fit import GlobalFit, fit_mechanism
from stopflow.mechanism.mixtures import MixtureSettings, build_shot, require_change
from stopflow.mechanism.problem import MechanismShot, build_problem
from stopflow.mechanism.scheme import Scheme, SchemeError, parse_scheme
from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.paper.rounding import format_digits, format_interval

FILE = "mechanism.toml"
KEYS = (
    "scheme",
    "initial",
    "observe",
    "relations",
    "eyring",
    "drift",
    "response",
    "mixing_ratio",
    "dead_time_ms",
)
REFERENCE_K = 298.15
RESPONSES = ("shared", "each")


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismSettings:
    """What is fitted, and how.

    Attributes
    ----------
    scheme
        As a chemist writes it.
    initial
        Species to concentration; see `stopflow.mechanism.mixtures`.
    observe
        Species that the detector sees; none: every species that the last step makes.
    relations
        Such as ``"k-1/k1 = 2e-6"``.
    eyring
        Whether constants follow Eyring's law with temperature.
    drift
        Whether every shot has a linear drift.
    response
        ``"shared"`` by all shots, or of ``"each"`` shot.
    """

    scheme: str
    initial: Mapping[str, str] = field(default_factory=dict)
    observe: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    eyring: bool = False
    drift: bool = False
    response: str = "shared"
    mixing_ratio: float = 1.0
    dead_time_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.response not in RESPONSES:
            raise SettingsError("response", self.response, valid=RESPONSES)
        if not (isinstance(self.mixing_ratio, int | float) and self.mixing_ratio > 0):
            raise SettingsError("mixing_ratio", self.mixing_ratio, valid="a number above 0")
        if not (isinstance(self.dead_time_ms, int | float) and 0 <= self.dead_time_ms < 1e6):
            raise SettingsError("dead_time_ms", self.dead_time_ms, valid="milliseconds, 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedMechanism:
    """A fitted mechanism, ready to print.

    Attributes
    ----------
    left_out
        Shots that were not used, each with its reason.
    """

    fit: GlobalFit
    determination: Determination
    left_out: tuple[str, ...]

    def headline(self) -> str:
        """Say what was fitted to what, and how well."""
        problem = self.fit.problem
        if not self.fit.ok:
            return f"{problem.scheme.text}: {self.fit.reason}"
        ratio = self.fit.best.squares / max(self.fit.dof, 1)
        said = "as expected from the noise" if ratio < 1.5 else f"{ratio:.3g} times the expected"
        return (
            f"{problem.scheme.text}: {len(problem.shots)} shots, {len(problem.starts)} mixtures; "
            f"the mean square of the residuals is {said}"
        )

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows of the constants for the terminal."""
        rows: list[Sequence[str]] = []
        for item in self.determination.intervals:
            is_rate = item.unit != "kJ/mol"
            error = item.stderr * item.value if is_rate else item.stderr
            low = format_digits(item.low, 4) if not item.open_below else "open"
            high = format_digits(item.high, 4) if not item.open_above else "open"
            closed = item.determined
            interval = format_interval(item.low, item.high, error=error) if closed else ""
            rows.append(
                (
                    item.name,
                    format_digits(item.value, 4),
                    interval or f"{low} to {high}",
                    item.unit,
                )
            )
        return ("constant", "value", "95 % interval", "unit"), rows

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        problem = self.fit.problem
        return {
            "scheme": problem.scheme.text,
            "shots": len(problem.shots),
            "mixtures": len(problem.starts),
            "observed": list(problem.observed),
            "sum_of_squares": self.fit.best.squares,
            "dof": self.fit.dof,
            "constants": [
                {
                    "name": item.name,
                    "unit": item.unit,
                    "value": item.value,
                    "relative_stderr" if item.unit != "kJ/mol" else "stderr": item.stderr,
                    "low95": None if item.open_below else item.low,
                    "high95": None if item.open_above else item.high,
                }
                for item in self.determination.intervals
            ],
            "combinations": [
                {"name": item.name, "value": item.value, "relative_stderr": item.stderr}
                for item in self.determination.combinations
            ],
            "not_determined": list(self.determination.sentences),
            "left_out": list(self.left_out),
        }


def mechanism_settings(folder: Path, **options: Any) -> MechanismSettings:
    """Compose the settings from ``mechanism.toml`` beside the traces and options.

    Raises
    ------
    SettingsError
        Names an unknown key, or says that no scheme is given.
    """
    values = _read_settings(folder / FILE) if (folder / FILE).is_file() else {}
    values |= {name: value for name, value in options.items() if value not in (None, (), {})}
    if not values.get("scheme"):
        raise SettingsError("--scheme", "", valid='a scheme such as "E + S <=> ES -> E + P"')
    for name in ("observe", "relations"):
        if name in values:
            values[name] = tuple(values[name])
    return MechanismSettings(**values)


def _read_settings(path: Path) -> dict[str, Any]:
    values = read_toml(path, option=FILE, example='scheme = "A + B <=> C"')
    for key, value in values.items():
        if key not in KEYS:
            raise SettingsError(f"{path.name}: key", key, valid=KEYS)
        wanted: type | tuple[type, ...] = {
            "scheme": str,
            "response": str,
            "initial": dict,
            "observe": list,
            "relations": list,
            "eyring": bool,
            "drift": bool,
        }.get(key, (int, float))
        if not isinstance(value, wanted):
            raise SettingsError(f"{path.name}: {key}", value, valid="the type of the documentation")
    return values


def fit_folder(
    folder: Path, settings: MechanismSettings, *, seed: int = 0, progress: Progress = silent
) -> FittedMechanism:
    """Fit a scheme to every shot of a folder and the folders below it.

    Raises
    ------
    StopflowError
        When the scheme cannot be read, when a species has no concentration, or when no shot is
        left.
    """
    generator = np.random.default_rng(require_seed(seed))
    scheme = parse_scheme(settings.scheme)
    constants = build_constants(
        scheme, settings.relations, reference_K=REFERENCE_K if settings.eyring else None
    )
    shots, left_out = _collect(folder, scheme, settings, progress=progress)
    require_change(shots)
    problem = build_problem(
        scheme,
        constants,
        shots,
        observed=settings.observe or _last_products(scheme),
        shared=settings.response == "shared",
        drift=settings.drift,
    )
    progress("fitting", 0, 1)
    fit = fit_mechanism(problem, generator=generator)
    found = determine(fit) if fit.ok else _nothing()
    progress("fitting", 1, 1)
    return FittedMechanism(fit=fit, determination=found, left_out=tuple(left_out))


def _collect(
    folder: Path, scheme: Scheme, settings: MechanismSettings, *, progress: Progress
) -> tuple[list[MechanismShot], list[str]]:
    mixtures = MixtureSettings(
        initial=settings.initial,
        mixing_ratio=settings.mixing_ratio,
        dead_time_s=settings.dead_time_ms / 1e3,
    )
    folders = find_experiments(folder)
    shots: list[MechanismShot] = []
    left_out: list[str] = []
    for done, place in enumerate(folders):
        experiment = read_experiment(place)
        analysed = analyse_experiment(experiment)
        for shot, judged in zip(experiment.shots, analysed.shots, strict=True):
            window = judged.shot.window
            if shot.trace is None or window is None:
                left_out.append(f"{experiment.name}/{shot.file}: {judged.shot.refusal}")
                continue
            made = build_shot(shot, window.start_s, scheme, mixtures)
            shots.append(made)
        progress("reading", done + 1, len(folders))
    return shots, left_out


def _last_products(scheme: Scheme) -> tuple[str, ...]:
    forward = [step for step in scheme.steps if not step.constant.startswith("k-")]
    products = forward[-1].products
    consumed = set(scheme.steps[0].reactants)
    return tuple(name for name in products if name not in consumed) or tuple(products)


def _nothing() -> Determination:
    return Determination(intervals=(), combinations=(), profiles=(), sentences=())


__all__ = [
    "FittedMechanism",
    "MechanismSettings",
    "SchemeError",
    "fit_folder",
    "mechanism_settings",
]
