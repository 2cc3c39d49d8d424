"""A lab of any size fits on paper and into a page: the longest lists stay in the tables."""

import pandas as pd
import report_lab

from stopflow.report.html import traces
from stopflow.report.kept import Parts
from stopflow.report.kinetics import extent, report
from stopflow.report.kinetics.extent import choose_experiments
from stopflow.report.paper.style import Ruler, require_paper


def test_the_experiments_most_in_doubt_are_drawn_in_their_order(monkeypatch):
    monkeypatch.setattr(extent, "DRAWN_EXPERIMENTS", 2)
    verdicts = {"a": ["PASS", "PASS"], "b": ["WARN", "WARN"], "c": ["PASS", "FAIL"], "d": ["WARN"]}
    rows = [(name, verdict) for name, found in verdicts.items() for verdict in found]
    shots = pd.DataFrame(rows, columns=["experiment", "verdict"])
    assert choose_experiments(shots) == ["b", "c"]
    monkeypatch.setattr(extent, "DRAWN_EXPERIMENTS", 9)
    assert choose_experiments(shots) == ["a", "b", "c", "d"]


def test_pages_do_not_grow_with_the_experiments_that_are_not_drawn(monkeypatch):
    lab = report_lab.build_lab()
    names = lab.shots["experiment"].unique()
    assert len(names) > 1
    whole = report_lab.lay_out_report(lab, require_paper("a4"), Ruler())
    monkeypatch.setattr(extent, "DRAWN_EXPERIMENTS", 1)
    sheets = report_lab.lay_out_report(lab, require_paper("a4"), Ruler())
    assert {sheet.section for sheet in sheets} < {sheet.section for sheet in whole}
    assert sum(sheet.section in names for sheet in sheets) <= 3


def test_large_tables_are_not_attached(monkeypatch):
    lab = report_lab.build_lab()
    assert {"rates.csv", "results.json", "inputs.csv"} <= set(report._attachments(lab))
    monkeypatch.setattr(report, "ATTACHED_SHOTS", len(lab.shots) - 1)
    assert not {"rates.csv", "results.json"} & set(report._attachments(lab))


def test_a_page_holds_the_traces_most_in_doubt(monkeypatch):
    lab = report_lab.build_lab()
    monkeypatch.setattr(traces, "DRAWN_TRACES", 3)
    lines = traces.pack_traces(lab, light=False, parts=Parts(lab)).lines
    assert len(lines) == len(lab.shots)
    drawn = [row for row, line in enumerate(lines) if line]
    assert 0 < len(drawn) <= 3
    readable = [row for row in range(len(lab.shots)) if lab.trace(row) is not None]
    urgency = [traces._URGENCY.get(text, 2) for text in lab.shots["verdict"]]
    assert max(urgency[row] for row in drawn) <= min(
        urgency[row] for row in readable if row not in drawn
    )
