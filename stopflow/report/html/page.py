"""The live page of a lab's rates, and the one that waits for the first shot."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from stopflow.io.atomic import write_text
from stopflow.report.data import KineticsReportData
from stopflow.report.html.assemble import assemble_page
from stopflow.report.html.numbers import build_payload
from stopflow.report.html.traces import pack_traces
from stopflow.report.kept import Parts


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


def write_kinetics_page(
    data: KineticsReportData, path: Path, *, light: bool = False, parts: Parts | None = None
) -> None:
    """Write the live kinetics report.

    Parameters
    ----------
    data
        Tables and traces of a dataset.
    path
        Replaced only when the new page is whole.
    light
        Leave the traces in full resolution out: a small page that shows all and refits nothing.
    parts
        Where packed traces of earlier pages are kept; by default nowhere.
    """
    write_text(path, build_page(data, light=light, parts=parts))


def build_page(
    data: KineticsReportData,
    *,
    light: bool = False,
    live: Live | None = None,
    parts: Parts | None = None,
) -> str:
    """Build the text of the page.

    A `live` one holds no traces: it asks the server that sent it for them, and for what is new.
    """
    payload, packed = build_payload(data, light=light), {"grids": "", "traces": ""}
    if live is not None:
        served = (data.shots["trace_points"].to_numpy(float) > 0).astype(int).tolist()
        payload |= {"live": {"version": live.version, "folder": live.folder}, "key": live.key}
        payload |= {"served": served}
    else:
        traces = pack_traces(data, light=light, parts=parts or Parts(data))
        packed = {"grids": "\n".join(traces.grids), "traces": "\n".join(traces.lines)}
    return assemble_page(
        "template.html", "main", payload, worker="fit_worker", live=live is not None, further=packed
    )


def build_waiting_page(folder: str, why: str, *, live: Live) -> str:
    """Build the page of a followed folder that holds no results yet."""
    payload = {"live": {"version": live.version, "folder": folder}, "why": why}
    return assemble_page("waiting.html", "waiting", payload, live=True)
