"""One scheme fitted to a folder, or the known schemes ranked on it."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stopflow.errors import SettingsError, require_key
from stopflow.executors import Workers, open_workers
from stopflow.mechanism.constants import build_constants
from stopflow.mechanism.contours import follow_contours
from stopflow.mechanism.cycles import describe_missing_balance
from stopflow.mechanism.determined import Determination, determine
from stopflow.mechanism.fit import GlobalFit, fit_mechanism
from stopflow.mechanism.further import propose_experiments
from stopflow.mechanism.groups import ShotGroup
from stopflow.mechanism.known import KNOWN
from stopflow.mechanism.problem import FitProblem, build_problem
from stopflow.mechanism.rank import describe_ranking, rank_schemes
from stopflow.mechanism.results import FittedFolder, FittedGroup
from stopflow.mechanism.scheme import Scheme, parse_scheme
from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.mechanism.settings import MechanismSettings
from stopflow.pipeline.mechanism.shots import (
    collect_for_ranking,
    collect_shots,
    find_places,
    read_shots,
)
from stopflow.pipeline.progress import Progress, silent

REFERENCE_K = 298.15


def fit_folder(
    folder: Path, settings: MechanismSettings, *, seed: int = 0, progress: Progress = silent
) -> FittedFolder:
    """Fit a scheme to every shot of a folder and the folders below it.

    Raises
    ------
    StopflowError
        When the scheme cannot be read, when a species has no concentration, or when no shot is
        left.
    """
    generator = np.random.default_rng(require_seed(seed))
    scheme = parse_scheme(settings.scheme)
    constants = build_constants(scheme, settings.relations, reference_K=_reference(settings))
    pairs = [_pair(text) for text in settings.pre_equilibrated]
    for name in settings.initial:
        require_key("initial", name, scheme.species)
    detector = settings.build_detector(_last_products(scheme))
    with _workers(places := find_places(folder)) as workers:
        read = read_shots(places, workers=workers, progress=progress)
        found = collect_shots(read, scheme, settings)
        jobs = [
            _Job(
                label=group.label,
                problem=build_problem(
                    scheme,
                    constants,
                    group.shots,
                    detector=detector,
                    pre_equilibrated=pairs,
                    ageing=settings.ageing,
                ),
                generator=own,
            )
            for group, own in zip(found.groups, generator.spawn(len(found.groups)), strict=True)
        ]
        groups = []
        for group in workers.map_in_order(_fit_group, jobs):
            groups.append(group)
            progress("fitting", len(groups), len(jobs))
    return FittedFolder(
        scheme=scheme.text,
        groups=tuple(groups),
        remarks=(*describe_missing_balance(scheme, constants), *found.remarks),
        left_out=found.left_out,
    )


def rank_folder(
    folder: Path, settings: MechanismSettings, *, seed: int = 0, progress: Progress = silent
) -> FittedFolder:
    """Rank the known schemes on a folder; the best of them is what is fitted.

    Where shots differ in something that no scheme knows, the group with the most mixtures is used.

    Raises
    ------
    StopflowError
        When no shot has a concentration of what is varied, or a setting is none of known schemes.
    """
    generator = np.random.default_rng(require_seed(seed))
    for name, value in {
        "drift": settings.drift,
        "mixed_first": settings.mixed_first,
        "response": "each" if settings.response == "each" else "",
    }.items():
        if value:
            raise SettingsError(name, value, valid="nothing beside --rank, whose schemes lack it")
    with _workers(places := find_places(folder)) as workers:
        read = read_shots(places, workers=workers, progress=progress)
    found = collect_for_ranking(read, settings)
    group = max(found.groups, key=_richness)
    remarks = list(found.remarks)
    if len(found.groups) > 1:
        others = len(found.groups) - 1
        which = "the other group has" if others == 1 else f"the other {others} groups have"
        remarks.append(
            f"ranked on the shots at {group.label} alone; {which} constants of their own"
        )
    ranked = rank_schemes(
        group.shots,
        names=tuple(KNOWN),
        reference_K=_reference(settings),
        generator=generator,
        progress=lambda done, total: progress("ranking", done, total),
    )
    remarks += describe_ranking(ranked)
    return FittedFolder(
        scheme=ranked[0].scheme.text if ranked else "",
        groups=tuple(_judge(group.label, item.fit) for item in ranked[:1]),
        remarks=tuple(remarks),
        left_out=found.left_out,
        ranking=tuple(ranked),
    )


def _workers(places: Sequence[Path]) -> AbstractContextManager[Workers]:
    """Share experiments, and then groups of shots, between processes: one for each processor."""
    return open_workers(processes=min(len(places), os.cpu_count() or 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    """A scheme to be fitted to the shots of a group."""

    label: str
    problem: FitProblem
    generator: np.random.Generator


def _fit_group(job: _Job) -> FittedGroup:
    return _judge(job.label, fit_mechanism(job.problem, generator=job.generator))


def _judge(label: str, fit: GlobalFit) -> FittedGroup:
    """Say what is determined, singly and two at a time, and what would determine the rest."""
    nothing = Determination(intervals=(), combinations=(), profiles=(), sentences=())
    found = determine(fit) if fit.ok else nothing
    return FittedGroup(
        label=label,
        fit=fit,
        determination=found,
        proposals=propose_experiments(fit, found),
        contours=tuple(follow_contours(fit, found)),
    )


def _reference(settings: MechanismSettings) -> float | None:
    return REFERENCE_K if settings.eyring else None


def _richness(group: ShotGroup) -> tuple[int, int]:
    mixtures = {tuple(sorted(shot.start_M.items())) for shot in group.shots}
    return len(mixtures), len(group.shots)


def _pair(text: str) -> tuple[str, str]:
    first, arrow, second = (part.strip() for part in text.partition("<=>"))
    if not (first and arrow and second):
        raise SettingsError("pre_equilibrated", text, valid='a pair such as "E <=> F"')
    return first, second


def _last_products(scheme: Scheme) -> tuple[str, ...]:
    forward = [step for step in scheme.steps if not step.is_back]
    products = forward[-1].products
    consumed = set(scheme.steps[0].reactants)
    return tuple(name for name in products if name not in consumed) or tuple(products)
