"""What to repeat: shots and series that did not pass, grouped by why, and as blocks on paper."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from stopflow import column_names as col
from stopflow.errors import and_more
from stopflow.kinetics.verdicts.findings import Finding, parse_findings, write_findings
from stopflow.kinetics.verdicts.sentences import reasons
from stopflow.report.kinetics.conditions import label_conditions
from stopflow.report.kinetics.reasons import gist_in_print, kind_of, say_in_print
from stopflow.report.paper.flow import FlowBlock, Paragraph
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.units import Units, build_units
from stopflow.wording import count_things, join_words

_NAMED = 12
_MANY_EXPERIMENTS = 3
_OF_SHOTS = "shots"
"""The rule of a series that repeats what is said of its shots."""


def list_repeats(shots: pd.DataFrame) -> pd.DataFrame:
    """Return the shots to repeat or look at, failures first, in file order."""
    wanted = shots[shots[col.VERDICT] != "PASS"].copy()
    wanted["_order"] = [0 if verdict == "FAIL" else 1 for verdict in wanted[col.VERDICT]]
    return wanted.sort_values("_order", kind="stable").drop(columns="_order")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotsToRepeat:
    """Shots or series of one experiment with the same verdict for the same reasons.

    Attributes
    ----------
    reason, gist
        The reasons in whole sentences, and what the first one found.
    names
        Files of shots, or what tells the series from the others of its experiment; of several
        experiments the experiments, each with its count.
    count
        How many shots or series these are.
    kinds
        The same for reasons that differ in numbers alone.
    """

    verdict: str
    experiment: str
    reason: str
    gist: str
    names: tuple[str, ...]
    count: int
    kinds: Hashable


def group_repeats(wanted: pd.DataFrame) -> list[ShotsToRepeat]:
    """Group shots that differ in numbers alone, in the order of the list."""
    return _group(wanted, [str(name) for name in wanted[col.FILE]])


def group_series(
    doubtful: pd.DataFrame, conditions: pd.DataFrame, units: Units
) -> list[ShotsToRepeat]:
    """Group the rows of `list_doubtful` likewise, named by what varies in their experiment."""
    labels: dict[object, str] = {}
    for _, part in conditions.groupby(col.EXPERIMENT, sort=False):
        labels |= dict(zip(part.index, label_conditions(part, units), strict=True))
    return _group(doubtful, [labels[row] for row in doubtful.index])


def _group(rows: pd.DataFrame, names: Sequence[str]) -> list[ShotsToRepeat]:
    groups: dict[tuple[str, str, Hashable], list[tuple[tuple[Finding, ...], str]]] = {}
    own = rows[[col.VERDICT, col.EXPERIMENT, col.FINDINGS]]
    for (verdict, experiment, described), name in zip(
        own.itertuples(index=False), names, strict=True
    ):
        findings = parse_findings(str(described))
        key = (str(verdict), str(experiment), tuple(map(kind_of, findings)))
        groups.setdefault(key, []).append((findings, name))
    return [
        ShotsToRepeat(
            verdict=verdict,
            experiment=experiment,
            reason=say_in_print(found[0][0]),
            gist=gist_in_print(found[0][0]),
            names=tuple(name for _, name in found),
            count=len(found),
            kinds=kinds,
        )
        for (verdict, experiment, kinds), found in groups.items()
    ]


def join_experiments(groups: Sequence[ShotsToRepeat]) -> list[ShotsToRepeat]:
    """Join what many experiments have in common, so that nothing is said over and over."""
    alike: dict[tuple[str, Hashable], list[ShotsToRepeat]] = {}
    for item in groups:
        alike.setdefault((item.verdict, item.kinds), []).append(item)
    joined = []
    for members in alike.values():
        if len(members) < _MANY_EXPERIMENTS:
            joined += members
            continue
        common = replace(
            members[0],
            experiment=f"{len(members)} experiments",
            names=tuple(f"{item.experiment} ({item.count})" for item in members),
            count=sum(item.count for item in members),
        )
        joined.append(common)
    return joined


def name_files(files: Sequence[str]) -> str:
    """List file names, the first dozen of many."""
    named = ", ".join(files[:_NAMED])
    return named + and_more(len(files) - _NAMED)


def list_doubtful(conditions: pd.DataFrame) -> pd.DataFrame:
    """Return the series of replicates that did not pass for a reason of their own.

    Their `reason` and `findings` hold that reason alone; what repeats the reasons of single shots
    is left out, and so are series without a rate, whose shots all speak for themselves.
    """
    own = [
        tuple(finding for finding in parse_findings(str(text)) if finding.rule != _OF_SHOTS)
        for text in conditions[col.FINDINGS]
    ]
    named = conditions.assign(
        findings=[write_findings(found) for found in own], reason=[reasons(found) for found in own]
    )
    return named[
        (named[col.VERDICT] != "PASS") & (named[col.FINDINGS] != "") & (named[col.FITTED] > 0)
    ]


def build_repeat_blocks(shots: pd.DataFrame, conditions: pd.DataFrame) -> list[FlowBlock]:
    """Compose the lists of what to repeat or to look at; empty when there is nothing."""
    wanted, doubtful = list_repeats(shots), list_doubtful(conditions)
    blocks: list[FlowBlock] = []
    series = group_series(doubtful, conditions, build_units(conditions))
    if len(doubtful):
        said = f"{len(doubtful)} series of replicates should be looked at."
        blocks += [
            Paragraph(text=said, keep_with_next=True),
            _grid(series, counted="Series", named="Reason and series"),
        ]
    if len(wanted):
        blocks += [
            Paragraph(text=_what_to_do(wanted), keep_with_next=True),
            _grid(group_repeats(wanted), counted="Shots", named="Reason and files"),
        ]
    return blocks


def _what_to_do(wanted: pd.DataFrame) -> str:
    failed = int((wanted[col.VERDICT] == "FAIL").sum())
    warned = len(wanted) - failed
    said = []
    if failed:
        named = "shot that" if failed == 1 else "shots that"
        said.append(f"repeat {failed} {named} gave no usable rate")
    if warned:
        things = f"{warned}" if failed else count_things(warned, "shot")
        named = "it" if warned == 1 else "them"
        said.append(f"look at {things} with a warning before using {named}")
    sentence = join_words(said)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _grid(groups: Sequence[ShotsToRepeat], *, counted: str, named: str) -> TableGrid:
    rows = [
        (
            item.verdict,
            item.experiment,
            str(item.count),
            f"{item.reason}: {name_files(item.names)}",
        )
        for item in join_experiments(groups)
    ]
    columns = (
        GridColumn(title="Verdict", verdict=True),
        GridColumn(title="Experiment"),
        GridColumn(title=counted, align="right"),
        GridColumn(title=named, wrap=True),
    )
    return TableGrid(columns=columns, rows=tuple(rows), size=6.8, name="What to repeat")
