"""The shots of a folder and of the folders below it, as the global fit takes them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stopflow.errors import StopflowError
from stopflow.executors import Workers
from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.analysis import analyse_experiment
from stopflow.kinetics.verdicts.workbook_columns import partner_of
from stopflow.mechanism.groups import MeasuredShot, ShotGroup, divide_shots
from stopflow.mechanism.mixtures import (
    COLUMN,
    VARIED,
    MixtureSettings,
    build_shot,
    find_used_columns,
    measure_change,
)
from stopflow.mechanism.scheme import Scheme, SchemeError, parse_scheme
from stopflow.pipeline.mechanism.settings import MechanismSettings
from stopflow.pipeline.progress import Progress
from stopflow.trace import Conditions, Experiment, Shot

VARIED_SPECIES, PARTNER = "S", "E"
"""As the known schemes call them."""
WAVELENGTH = re.compile(r"\s*(wavelength|λ)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrimmedShot:
    """A shot and where its fit begins, in the trace's own time."""

    shot: Shot
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FolderShots:
    """What a folder holds for the global fit.

    Attributes
    ----------
    groups
        Shots that the scheme can describe with the same constants.
    remarks
        What differs within a group.
    left_out
        Shots that were not used and rows without a file, each with its reason.
    """

    groups: tuple[ShotGroup, ...]
    remarks: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadShots:
    """Shots of experiments, trimmed.

    Attributes
    ----------
    left_out
        A line for each that cannot be used, and for each row without a file, with the reason.
    decided
        A line for each that a decision leaves out, with the reason.
    """

    trimmed: tuple[TrimmedShot, ...]
    left_out: tuple[str, ...]
    decided: tuple[str, ...]


def find_places(folder: Path) -> list[Path]:
    """Return the experiment folders of a folder.

    Raises
    ------
    StopflowError
        When there is no folder with traces.
    """
    places = find_experiments(folder) if folder.is_dir() else []
    if not places:
        raise StopflowError(
            f"{folder} holds no trace file, nor does a folder in it; choose a folder of shots"
        )
    return places


def read_shots(places: Sequence[Path], *, workers: Workers, progress: Progress) -> ReadShots:
    """Read and trim every shot of experiment folders."""
    parts = []
    for part in workers.map_in_order(_read_place, places):
        parts.append(part)
        progress("reading", len(parts), len(places))
    return ReadShots(
        trimmed=tuple(shot for part in parts for shot in part.trimmed),
        left_out=tuple(line for part in parts for line in part.left_out),
        decided=tuple(line for part in parts for line in part.decided),
    )


def _read_place(place: Path) -> ReadShots:
    experiment = read_experiment(place)
    measurable, left_out = _leave_out_wild(experiment)
    trimmed = []
    for shot, start_s, refusal in _trim(measurable):
        if start_s is None:
            left_out.append(f"{experiment.name}/{shot.file}: {refusal}")
        else:
            trimmed.append(TrimmedShot(shot=shot, start_s=start_s))
    known = {f"{experiment.name}/{shot.file}" for shot in experiment.shots}
    left_out += [
        str(problem)
        for problem in experiment.problems
        if problem.level == "error" and f"{experiment.name}/{problem.file}" not in known
    ]
    return ReadShots(
        trimmed=tuple(trimmed),
        left_out=tuple(left_out),
        decided=tuple(
            f"{experiment.name}/{shot.file} is left out by decisions.csv: {shot.left_out}"
            for shot in experiment.left_out
        ),
    )


def _leave_out_wild(experiment: Experiment) -> tuple[Experiment, list[str]]:
    """Leave out shots whose signal is out of all measure, before anything is computed of it."""
    kept, refused = [], []
    for shot in experiment.shots:
        try:
            if shot.trace is not None:
                measure_change(shot.trace.signal, shot.file)
            kept.append(shot)
        except SchemeError as error:
            refused.append(f"{experiment.name}/{error}")
    return replace(experiment, shots=tuple(kept)), refused


def _trim(experiment: Experiment) -> list[tuple[Shot, float | None, str]]:
    analysed = analyse_experiment(experiment)
    found = []
    for shot, judged in zip(experiment.shots, analysed.shots, strict=True):
        window = judged.shot.window
        usable = shot.trace is not None and window is not None
        start_s = window.start_s if usable and window is not None else None
        found.append((shot, start_s, judged.shot.reason))
    return found


def collect_for_ranking(read: ReadShots, settings: MechanismSettings) -> FolderShots:
    """Collect shots for the known schemes: S is what the workbook varies, E its partner.

    E is taken from ``settings.initial`` or from the workbook's column of a partner; without either
    it is unknown.

    Raises
    ------
    StopflowError
        When no shot has a concentration of S; names the first reason.
    """
    initial = {VARIED_SPECIES: VARIED, **settings.initial}
    partner = _find_partner([item.shot.conditions for item in read.trimmed])
    if partner and PARTNER not in initial:
        initial[PARTNER] = f"{COLUMN}{partner}"
    scheme = parse_scheme("E + S -> ES" if PARTNER in initial else "S -> P")
    unknown = [name for name in initial if name not in scheme.species]
    if unknown:
        raise SchemeError(
            f"the known schemes have no species {unknown[0]}; S is what the workbook varies and E "
            "its partner"
        )
    return collect_shots(read, scheme, replace(settings, initial=initial))


def _find_partner(conditions: list[Conditions]) -> str | None:
    """Find the column of the partner where every shot that names one names the same."""
    largest = max((item.concentration_M or 0.0 for item in conditions), default=0.0)
    found = [partner_of(item, largest_M=largest) for item in conditions]
    names = {item[0] for item in found if item is not None}
    return names.pop() if len(names) == 1 and None not in found else None


def _find_wavelengths(trimmed: Sequence[TrimmedShot]) -> str:
    """Find the column of the wavelength: responses depend on it, constants do not."""
    columns = [item.shot.conditions.extra for item in trimmed]
    named = (name for name in (columns[0] if columns else ()) if WAVELENGTH.match(name))
    return next((name for name in named if all(name in extra for extra in columns)), "")


def collect_shots(read: ReadShots, scheme: Scheme, settings: MechanismSettings) -> FolderShots:
    """Give every shot its concentrations, and divide them into groups.

    Raises
    ------
    StopflowError
        When no shot is left; names the first reason.
    """
    mixtures = MixtureSettings(
        initial=settings.initial,
        mixing_ratio=settings.mixing_ratio,
        dead_time_s=None if settings.dead_time_ms is None else settings.dead_time_ms / 1e3,
        delay=settings.delay,
        channel_column=settings.response_column or _find_wavelengths(read.trimmed),
        eyring=settings.eyring,
    )
    measured: list[MeasuredShot] = []
    reasons = list(read.left_out)
    refused: SchemeError | None = None
    for item in read.trimmed:
        try:
            shot = build_shot(item.shot, item.start_s, scheme, mixtures)
        except SchemeError as error:
            refused = refused or error
            reasons.append(f"{item.shot.experiment}/{error}")
            continue
        named = replace(shot, name=f"{item.shot.experiment}/{item.shot.file}")
        measured.append(MeasuredShot(shot=named, conditions=item.shot.conditions))
    if refused is not None and not measured:
        raise refused
    if not measured:
        first = f"; the first reason: {reasons[0]}" if reasons else ""
        raise SchemeError(f"no shot of the folder can be used for the global fit{first}")
    conditions = [item.conditions for item in measured]
    groups, remarks = divide_shots(
        measured,
        used_columns=find_used_columns(scheme, mixtures, conditions),
        eyring=settings.eyring,
    )
    return FolderShots(
        groups=tuple(groups), remarks=(*read.decided, *remarks), left_out=tuple(reasons)
    )
