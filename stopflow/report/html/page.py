"""The page as one file: template, style sheet, scripts and the lab's data put together.

Nothing in the file is fetched from anywhere, and a content security policy keeps it so. Texts
from files are data: they stand in JSON, never in markup, and the page shows them as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from stopflow.io.atomic import write_text
from stopflow.report.data import KineticsReportData
from stopflow.report.html.numbers import build_payload
from stopflow.report.html.traces import pack_traces

MODULES = (
    "algebra",
    "distributions",
    "laws",
    "window",
    "problem",
    "search",
    "refine",
    "interval",
    "noise",
    "fit",
    "decode",
    "lab",
    "format",
    "element",
    "curves",
    "secondary",
    "decisions",
    "zip",
    "edits",
    "phases",
    "refits",
    "scale",
    "plot",
    "table",
    "overview",
    "secondary_view",
    "window_handles",
    "trace_view",
    "refit_panel",
    "live",
    "followed_folder",
    "main",
)
"""Modules of `js/` in the order in which they need each other."""
WAITING_MODULES = ("element", "live", "waiting")

_IMPORT = re.compile(r"^import\b[^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
_PLACE = re.compile(r"%%(\w+)%%")
# What would end a script element, or a line inside a JavaScript text.
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A page that a server of this machine keeps up to date.

    Attributes
    ----------
    version
        Which state of the folder the page shows.
    folder
        What is followed.
    """

    version: int
    folder: str

    @property
    def key(self) -> str:
        """Name the folder for what a browser keeps between visits."""
        return (
            "live-" + hashlib.sha256(self.folder.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        )


def write_kinetics_page(data: KineticsReportData, path: Path, *, light: bool = False) -> None:
    """Write the live kinetics report.

    Parameters
    ----------
    data
        Tables and traces of a dataset.
    path
        Replaced only when the new page is whole.
    light
        Leave the traces in full resolution out: a small page that shows all and refits nothing.
    """
    write_text(path, build_page(data, light=light))


def build_page(data: KineticsReportData, *, light: bool = False, live: Live | None = None) -> str:
    """Build the text of the page; a `live` one asks the server that sent it for what is new."""
    traces = pack_traces(data, light=light)
    payload = build_payload(data, light=light) | {"fullTraces": traces.full}
    if live is not None:
        payload |= {"live": {"version": live.version, "folder": live.folder}, "key": live.key}
    script, style = bundle_scripts(), _read("page.css")
    parts = {
        "policy": _policy(script, style, live=live is not None),
        "style": style,
        "payload": script_json(payload),
        "grids": "\n".join(traces.grids),
        "traces": "\n".join(traces.lines),
        "script": script,
    }
    return _PLACE.sub(lambda found: parts[found[1]], _read("template.html"))


def build_waiting_page(folder: str, why: str, *, live: Live) -> str:
    """Build the page of a followed folder that holds no results yet."""
    script, style = _bundle(WAITING_MODULES), _read("page.css")
    parts = {
        "policy": _policy(script, style, live=True),
        "style": style,
        "payload": script_json({"live": {"version": live.version, "folder": folder}, "why": why}),
        "script": script,
    }
    return _PLACE.sub(lambda found: parts[found[1]], _read("waiting.html"))


def script_json(value: Any) -> str:
    """Write JSON that can stand in a script element whatever the texts in it are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: _ESCAPES[found[0]], text)


def bundle_scripts() -> str:
    """Put the page's modules of `js/` into one.

    Raises
    ------
    ValueError
        Two modules define the same name.
    """
    return _bundle(MODULES)


def _bundle(modules: Sequence[str]) -> str:
    """Put modules into one, in order: imports go, and so do the words ``export``."""
    owners: dict[str, str] = {}
    texts = []
    for module in modules:
        text = _EXPORT.sub("", _IMPORT.sub("", _read(f"js/{module}.js")))
        for name in _NAME.findall(text):
            if name in owners:
                raise ValueError(f"{module}.js and {owners[name]}.js both define {name}")
            owners[name] = module
        texts.append(f"// {module}.js\n{text.strip()}\n")
    return "\n".join(texts)


def _policy(script: str, style: str, *, live: bool) -> str:
    """Allow this script, this style and pictures made in the page; nothing from elsewhere.

    A `live` page may also talk to the server that sent it.
    """
    hashes = {
        kind: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for kind, text in (("script", script), ("style", style))
    }
    return (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
        + ("; connect-src 'self'" if live else "")
    )


def _read(name: str) -> str:
    return files("stopflow.report.html").joinpath(name).read_text(encoding="utf-8")
