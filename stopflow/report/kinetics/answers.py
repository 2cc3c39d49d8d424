"""The answers a reader wants first: my rates, their trust, their law, what should I repeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stopflow.report.data import KineticsReportData, made_once
from stopflow.report.kinetics.input_problems import say_disagreements
from stopflow.report.kinetics.law_choice import say_law_choices
from stopflow.report.kinetics.reasons import count_reasons, name_reasons
from stopflow.report.kinetics.repeats import group_series, list_doubtful
from stopflow.report.kinetics.secondary_words import summarise_secondary
from stopflow.report.kinetics.summary import (
    count_shots,
    median_error,
    median_scatter,
    summarise_rates,
    usable_shots,
)
from stopflow.report.paper.flow import FlowBlock
from stopflow.report.paper.rounding import format_digits
from stopflow.report.paper.style import ACCENT, INK, MM_PER_POINT, WASH, Ruler, printable
from stopflow.report.paper.units import build_units
from stopflow.wording import count_things

if TYPE_CHECKING:  # loading it takes longer than a table takes to be set
    from stopflow.report.paper.page import Page

_SHOWN_REASONS = 3
_NAMED_SERIES = 3
_SIZE, _STEP_MM = 8.2, 8.2 * 1.42 * MM_PER_POINT
_QUESTION_MM, _PAD_MM = 42.0, 2.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question and its answer in a sentence or two."""

    question: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBox:
    """Questions in a narrow column, answers beside them, on a tinted ground."""

    answers: tuple[Answer, ...]
    after_mm: float = 3.0
    keep_with_next: bool = False

    def _lines(self, ruler: Ruler, width_mm: float) -> list[list[str]]:
        wide = width_mm - _QUESTION_MM - 2 * _PAD_MM
        return [ruler.wrap(printable(answer.text), _SIZE, width_mm=wide) for answer in self.answers]

    def _tall_mm(self, ruler: Ruler, width_mm: float) -> float:
        lines = sum(len(found) for found in self._lines(ruler, width_mm))
        return lines * _STEP_MM + _PAD_MM * (len(self.answers) + 1)

    def height_mm(self, ruler: Ruler, width_mm: float) -> float:
        """Height of all answers, space below included."""
        return self._tall_mm(ruler, width_mm) + self.after_mm

    def split(
        self,
        ruler: Ruler,  # noqa: ARG002
        *,
        width_mm: float,  # noqa: ARG002
        room_mm: float,  # noqa: ARG002
    ) -> tuple[FlowBlock | None, FlowBlock | None]:
        """Never cut."""
        return None, self

    def draw(self, page: "Page", x_mm: float, y_mm: float, *, width_mm: float) -> None:
        """Draw the ground, then question and answer line by line."""
        tall = self._tall_mm(page.ruler, width_mm)
        page.box(x_mm, y_mm, width_mm=width_mm, height_mm=tall, colour=WASH)
        y = y_mm + _PAD_MM
        found = self._lines(page.ruler, width_mm)
        for answer, lines in zip(self.answers, found, strict=True):
            base = y + _SIZE * MM_PER_POINT
            left = x_mm + _PAD_MM
            page.text(left, base, answer.question, size=_SIZE, colour=ACCENT, bold=True)
            for number, line in enumerate(lines):
                place = base + number * _STEP_MM
                page.text(left + _QUESTION_MM, place, line, size=_SIZE, colour=INK)
            y += len(lines) * _STEP_MM + _PAD_MM


@made_once
def build_answers(data: KineticsReportData) -> AnswerBox:
    """Answer the questions from the tables; that of the rate law where others were tried."""
    law = say_law_choices(data.shots)
    rates = " ".join(
        text for text in (summarise_rates(data.shots), summarise_secondary(data.secondary)) if text
    )
    return AnswerBox(
        answers=(
            Answer(question="What are my rates?", text=rates),
            Answer(question="Can I trust them?", text=_say_trust(data)),
            *([Answer(question="Is it the right law?", text=law)] if law else []),
            Answer(question="What should I repeat?", text=say_repeats(data.shots, data.conditions)),
        )
    )


def _say_trust(data: KineticsReportData) -> str:
    """Say how far the rates are to be trusted, and whether their conditions are certain."""
    certain = not say_disagreements(data.problems)
    said = say_trust(data.shots, data.conditions, certain=certain)
    doubt = " But the sources of the conditions disagree, as listed below."
    return said if certain else said + doubt


def say_trust(shots: pd.DataFrame, conditions: pd.DataFrame, *, certain: bool = True) -> str:
    """Say how many shots passed, and how well k is known; a plain yes where all is `certain`."""
    counts = count_shots(shots)
    if usable_shots(shots).empty:
        return "There is no rate to judge."
    doubtful = len(list_doubtful(conditions))
    if counts.passed == counts.files:
        passed = "All shots passed every check." if counts.files > 1 else "The shot passed."
        if certain and not doubtful and counts.files > 1:
            passed = f"Yes: {passed[0].lower()}{passed[1:]}"
    elif not counts.passed:
        passed = "With care: no shot passed every check."
    else:
        rest = [f"{counts.warned} with a warning"] if counts.warned else []
        rest += [f"{counts.refused} without a usable rate"] if counts.refused else []
        passed = f"{counts.passed} of {counts.files} shots passed every check; {', '.join(rest)}."
    if doubtful:
        passed += (
            f" Of {len(conditions)} series, {doubtful} {_have(doubtful)} a warning as a whole."
        )
    percent = format_digits(100 * median_error(shots), 2)
    known = f"The standard error of one shot is {percent} % of k"
    scatter = median_scatter(conditions)
    if np.isfinite(scatter):
        known += f", and replicates scatter {format_digits(scatter, 2)} times as much"
    return f"{passed} {known}."


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def say_repeats(shots: pd.DataFrame, conditions: pd.DataFrame) -> str:
    """Say what to do again and what to look at, with the commonest reasons."""
    listed = count_reasons(shots)
    counts = count_shots(shots)
    said = []
    if counts.refused:
        why = _shortly([(r.gist, r.shots) for r in listed if r.verdict == "FAIL"])
        said.append(f"Repeat {count_things(counts.refused, 'shot')} without a usable rate: {why}.")
    if counts.warned:
        why = _shortly([(r.gist, r.shots) for r in listed if r.verdict == "WARN"])
        said.append(f"Look at {count_things(counts.warned, 'shot')} with a warning: {why}.")
    doubtful = list_doubtful(conditions)
    if len(doubtful) > _NAMED_SERIES:
        why = _shortly(name_reasons(doubtful))
        said.append(f"Look at {len(doubtful)} series: {why}.")
    if len(doubtful) > _NAMED_SERIES:
        return " ".join(said)
    for group in group_series(doubtful, conditions, build_units(conditions)):
        named = ", ".join(dict.fromkeys([group.experiment, *group.names]))
        said.append(f"Look at the series {named}: {group.gist}.")
    return " ".join(said) or "Nothing: every shot and every series passed."


def _shortly(reasons: Sequence[tuple[str, int]]) -> str:
    """Name the commonest reasons with how often each was given."""
    parts = [f"{reason} ({count})" for reason, count in reasons[:_SHOWN_REASONS]]
    rest = len(reasons) - _SHOWN_REASONS
    if rest > 0:
        parts.append(f"{rest} other {'reason' if rest == 1 else 'reasons'}")
    return "; ".join(parts)
