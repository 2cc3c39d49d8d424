"""A page as one file: template, style sheet, scripts and data put together.

Nothing in the file is fetched from anywhere, and a content security policy keeps it so. Texts
from files are data: they stand in JSON, never in markup, and the page shows them as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_IMPORT = re.compile(r'^import\b[^;]* from "\./(\w+)\.js";\n', re.MULTILINE)
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


def assemble_page(
    template: str,
    script: str,
    payload: Mapping[str, Any],
    *,
    worker: str | None = None,
    live: bool = False,
    further: Mapping[str, str] | None = None,
) -> str:
    """Put a page together.

    Parameters
    ----------
    template
        Name of the template.
    script
        Module of `js/` that begins; those that it imports come with it.
    payload
        What the scripts show; finite numbers, texts and lists of them.
    worker
        Module of `js/` that works beside the page, in the place `worker` of the template.
    live
        The page may talk to the server that sent it.
    further
        Texts of other places of the template.

    Raises
    ------
    ValueError
        Two modules define the same name.
    """
    bundle, style = _bundle(script), _read("page.css")
    parts = {
        "policy": _policy(bundle, style, works=worker is not None, live=live),
        "style": style,
        "payload": script_json(payload),
        "script": bundle,
        "worker": _bundle(worker) if worker else "",
        **(further or {}),
    }
    return _PLACE.sub(lambda found: parts[found[1]], _read(template))


def script_json(value: Any) -> str:
    """Write JSON that can stand in a script element whatever the texts in it are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: _ESCAPES[found[0]], text)


def _bundle(script: str) -> str:
    """Put a module and all that it needs into one; imports go, and so do the words ``export``."""
    owners: dict[str, str] = {}
    texts, modules = [], dict[str, str]()
    _gather(script, modules)
    for module, whole in modules.items():
        text = _EXPORT.sub("", _IMPORT.sub("", whole))
        for name in _NAME.findall(text):
            if name in owners:
                raise ValueError(f"{module}.js and {owners[name]}.js both define {name}")
            owners[name] = module
        texts.append(f"// {module}.js\n{text.strip()}\n")
    return "\n".join(texts)


def _gather(module: str, found: dict[str, str]) -> None:
    """Add the text of a module to those found, behind those of all that it imports."""
    if module not in found:
        text = _read(f"js/{module}.js")
        for needed in _IMPORT.findall(text):
            _gather(needed, found)
        found[module] = text


def _policy(script: str, style: str, *, works: bool, live: bool) -> str:
    """Allow this script, this style and pictures made in the page; nothing from elsewhere.

    A page that `works` beside itself may start workers made in it; a `live` one may talk to the
    server that sent it.
    """
    hashes = {
        kind: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for kind, text in (("script", script), ("style", style))
    }
    return (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
        + ("; worker-src blob:" if works else "")
        + ("; connect-src 'self'" if live else "")
    )


def _read(name: str) -> str:
    return files("stopflow.report.html").joinpath(name).read_text(encoding="utf-8")
