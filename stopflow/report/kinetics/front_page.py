"""First pages of the kinetics report: what the rates are, whether to trust them, what to redo."""

from stopflow import column_names as col
from stopflow.report.data import KineticsReportData
from stopflow.report.kinetics.answers import build_answers
from stopflow.report.kinetics.input_problems import say_disagreements
from stopflow.report.kinetics.law_choice import is_listed, law_choice_grid, list_law_choices
from stopflow.report.kinetics.rates_by_condition import build_condition_blocks
from stopflow.report.kinetics.repeats import build_repeat_blocks, list_doubtful
from stopflow.report.kinetics.summary import Counts, count_shots, state_left_out, state_trust
from stopflow.report.paper.flow import FlowBlock, Paragraph, Picture, build_heading
from stopflow.report.paper.front import build_cells, build_title
from stopflow.report.paper.style import (
    INK,
    VERDICT_COLOURS,
    VERDICT_SIGNS,
    shorten_middle,
)
from stopflow.wording import count_things, join_words

_NAME_LENGTH = 60
_MOST_DISAGREEMENTS = 6


def build_front_blocks(data: KineticsReportData) -> list[FlowBlock]:
    """Compose the answers: rates, trust, repeats, in this order."""
    counts = count_shots(data.shots)
    blocks: list[FlowBlock] = [
        *build_title("Rate constants", _what(data, counts)),
        _count_cells(counts, len(list_doubtful(data.conditions))),
    ]
    blocks.append(build_answers(data))
    disagreements = say_disagreements(data.problems)
    if disagreements:
        blocks.append(build_heading("Sources of the conditions that disagree"))
        rest = len(disagreements) - _MOST_DISAGREEMENTS
        lines = list(disagreements[:_MOST_DISAGREEMENTS])
        lines += [f"{rest} more are listed under what was found in the input."] if rest > 0 else []
        blocks += [Paragraph(text=f"•  {text}", size=7.4, after_mm=0.8) for text in lines]
    blocks += build_condition_blocks(data)
    blocks.append(build_heading("How far to trust them"))
    statements = state_left_out(data.provenance.get("left_out"))
    statements += state_trust(data.shots, data.conditions)
    last = len(statements) - 1
    blocks += [
        # A list is parted where two of its lines stand on either side, if at all.
        Paragraph(
            text=f"•  {said}",
            after_mm=1.0,
            keep_with_next=place == 0 < last or place == last - 1,
        )
        for place, said in enumerate(statements)
    ]
    choices = list_law_choices(data.shots)
    if is_listed(choices):
        blocks += [build_heading("Choice of the rate law"), law_choice_grid(choices)]
    repeats = build_repeat_blocks(data.shots, data.conditions)
    # Where there is nothing to repeat the box of answers has said so.
    return [*blocks, build_heading("What to repeat"), *repeats] if repeats else blocks


def _what(data: KineticsReportData, counts: Counts) -> str:
    names = list(dict.fromkeys(str(name) for name in data.shots[col.EXPERIMENT]))
    names = [shorten_middle(name, _NAME_LENGTH) for name in names]
    shown = join_words(names) if len(names) <= 3 else f"{names[0]} to {names[-1]}"
    files = count_things(counts.files, "file")
    return f"{files} from {count_things(counts.experiments, 'experiment')}: {shown}"


def _count_cells(counts: Counts, doubtful: int) -> Picture:
    """Show the counts of shots; series that have a warning as a whole stand beside theirs."""
    beside = f", {doubtful} series" if doubtful else ""
    unread = f", {counts.unreadable} unreadable" if counts.unreadable else ""
    cells = (
        (f"shots read{unread}", counts.read, INK),
        ("fitted", counts.fitted, INK),
        (f"{VERDICT_SIGNS['PASS']} passed", counts.passed, VERDICT_COLOURS["PASS"]),
        (f"{VERDICT_SIGNS['WARN']} warned{beside}", counts.warned, VERDICT_COLOURS["WARN"]),
        (f"{VERDICT_SIGNS['FAIL']} refused", counts.refused, VERDICT_COLOURS["FAIL"]),
    )
    shown = [(f"{count:,}".replace(",", " "), label, colour) for label, count, colour in cells]
    return build_cells(shown, size=17, label_size=7.4)
