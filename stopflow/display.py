"""How values show themselves in a notebook: a small table of names and values in HTML."""

from collections.abc import Iterable
from html import escape


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Build an HTML table of two columns; every text is escaped."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption>{escape(title)}</caption>{lines}</table>"


def html_line(text: str) -> str:
    """Build a line of HTML that shows `text` as it is."""
    return f"<code>{escape(text)}</code>"
