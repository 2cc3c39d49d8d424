"""The methods paragraph of a global fit, in the words of a paper."""

from collections.abc import Mapping, Sequence

import numpy as np

from stopflow.mechanism.collocate import FINE
from stopflow.mechanism.problem import FitProblem
from stopflow.mechanism.results import FittedFolder, FittedGroup
from stopflow.report.paper.rounding import set_numbers
from stopflow.wording import join_words


def write_methods(found: FittedFolder, provenance: Mapping[str, object]) -> str:
    """Compose the paragraph from what was done, with nothing that was not."""
    fitted = [group for group in found.groups if group.fit.ok]
    if not fitted:
        return "The scheme could not be fitted, so there is no method to describe."
    problem = fitted[0].fit.problem
    shots = sum(len(group.fit.problem.shots) for group in fitted)
    shared = _describe_responses(problem)
    sentences = [
        f"The scheme {set_numbers(problem.scheme.text)} was fitted globally to {shots} "
        f"stopped-flow traces with stopflow {provenance.get('version', '')}.".replace(" .", ".")
    ]
    if len(fitted) > 1:
        labels = "; ".join(group.label for group in fitted)
        sentences.append(f"Shots of different conditions were fitted separately: {labels}.")
    sentences.append(
        f"{_describe_solution(problem)} The signal was taken as a linear combination of the "
        f"concentrations of {join_words(problem.observed)}, with molar responses {shared} and an "
        f"offset{' and a linear drift' if problem.detector.drift else ''} of each "
        "shot, which were eliminated by variable projection."
    )
    if problem.constants.reference_K is not None:
        sentences.append(
            "Rate constants followed Eyring's law, with activation enthalpies as parameters and "
            f"{problem.constants.reference_K:.2f} K as reference."
        )
    settings = provenance.get("settings")
    if isinstance(settings, Mapping) and settings.get("relations"):
        held = join_words([set_numbers(text) for text in settings["relations"]])
        sentences.append(f"The constants obeyed {held}.")
    if problem.ageing is not None:
        sentences.append(
            f"{join_words(problem.ageing.species)} were mixed first and aged for the stated delay; "
            "what is present at the second mixing follows from the same rate equations."
        )
    if problem.pre_equilibrated:
        sentences.append("Forms that interconvert were taken to be in equilibrium before mixing.")
    sentences.append(
        "Points were weighted with the noise of their trace; the sum of squares was minimised in "
        "the logarithms of the constants by the method of Levenberg and Marquardt from "
        "quasi-random starts. Intervals of 95 % are those of the profile likelihood; "
        f"{_describe_errors(fitted)}."
    )
    if found.ranking:
        sentences.append(
            f"The scheme was chosen from {len(found.ranking)} by Akaike's criterion, corrected for "
            "small samples, with the scatter between shots as a covariance; schemes that merely "
            "contain a simpler one were set apart."
        )
    return " ".join(sentences)


def _describe_errors(fitted: Sequence[FittedGroup]) -> str:
    """Say what the errors are made of, with the degrees of freedom of a single constant."""
    scattered = [group.fit for group in fitted if group.fit.errors.scattered]
    if not scattered:
        return "the shots agree to within their noise, which gives the errors"
    dof = np.concatenate([fit.errors.dof for fit in scattered])
    few, many = f"{dof.min():.1f}", f"{dof.max():.1f}"
    span = few if few == many else f"{few} to {many}"
    some = "" if len(scattered) == len(fitted) else "some "
    return (
        f"{some}shots scatter by more than their noise, so that errors were taken from the pulls "
        f"of single shots on the constants, corrected for small samples (CR2), with {span} degrees "
        "of freedom"
    )


def _describe_solution(problem: FitProblem) -> str:
    if problem.system.basis.shape[1] == 1:
        return (
            "The rate equation, in which a single number changes, was solved in closed form with "
            "its sensitivities."
        )
    if problem.system.is_linear:
        return (
            "The rate equations, which are linear, were solved exactly with their sensitivities by "
            "eigenvectors."
        )
    return (
        "The rate equations of mass action were solved over the whole time at once by collocation "
        f"at the {FINE.stages} nodes of Radau IIA in each step, with exact sensitivities."
    )


def _describe_responses(problem: FitProblem) -> str:
    detector = problem.detector
    free = [name for name in detector.observed if name not in detector.fixed]
    if not free:
        return "that were given"
    channels = {shot.channel for shot in problem.shots}
    shared = "of each shot" if not detector.shared else "shared by all shots"
    if detector.shared and len(channels) > 1:
        shared = "shared by the shots of a channel"
    return f"{shared}, those of {join_words(detector.fixed)} given," if detector.fixed else shared
