"""The page of a report that is read, not changed: answers, plots with hover, tables that sort."""

from collections.abc import Mapping, Sequence
from typing import Any

from stopflow.report.html.assemble import assemble_page
from stopflow.report.paper.style import keep_together

DOCUMENT_MODULES = (
    "decisions",
    "format",
    "element",
    "scale",
    "paint",
    "plot",
    "tip",
    "key",
    "table",
    "figure",
    "printing",
    "document",
)


def build_document(
    title: str,
    *,
    about: str,
    answers: Sequence[tuple[str, str]],
    tables: Sequence[Mapping[str, Any]],
    plots: Sequence[Mapping[str, Any]],
    closing: Sequence[Mapping[str, Any]],
) -> str:
    """Build the text of a page.

    Parameters
    ----------
    about
        What the report is of, in a line below the title.
    answers
        What is asked and what the report says to it.
    tables, closing
        As `stopflow.report.html.parts.table` gives them, before and after the plots.
    plots
        As `stopflow.report.html.parts.plot` gives them.
    """
    payload = {
        "title": title,
        "about": about,
        "answers": [[asked, keep_together(said)] for asked, said in answers],
        "tables": list(tables),
        "plots": list(plots),
        "closing": list(closing),
    }
    return assemble_page("document.html", DOCUMENT_MODULES, payload)
