"""The page of a report that is read, not changed: answers, plots with hover, tables that sort."""

from collections.abc import Mapping, Sequence
from typing import Any

from stopflow.report.html.assemble import assemble_page
from stopflow.report.html.parts import table
from stopflow.report.models.tables import ModelTable
from stopflow.report.paper.style import keep_together


def build_document(
    title: str,
    *,
    about: str,
    answers: Sequence[tuple[str, str]],
    tables: Sequence[ModelTable],
    plots: Sequence[Mapping[str, Any]],
    closing: Sequence[ModelTable],
) -> str:
    """Build the text of a page.

    Parameters
    ----------
    about
        What the report is of, in a line below the title.
    answers
        What is asked and what the report says to it.
    tables, closing
        Before and after the plots; one without rows is left out.
    plots
        As `stopflow.report.html.parts.plot` gives them.
    """
    payload = {
        "title": title,
        "about": about,
        "answers": [[asked, keep_together(said)] for asked, said in answers],
        "tables": [table(shown) for shown in tables if shown.rows],
        "plots": list(plots),
        "closing": [table(shown) for shown in closing if shown.rows],
    }
    return assemble_page("document.html", "document", payload)
