"""How long a frame takes while the start of a fit is dragged in the page, in a headless browser.

A frame goes from the pointer's event to the end of painting: the fit, its errors, interval and
residual test, the curves, the residuals, the table and the picture. After the release a worker
makes the fit to all digits: what counts there is how long its page is busy in any frame until the
numbers have come, and when they come.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from stopflow.errors import StopflowError
from stopflow.io.bka.format import write_bka
from stopflow.kinetics.settings import AnalysisSettings
from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.reports import kinetics_data
from stopflow.report.html.page import write_kinetics_page
from stopflow.trace import FloatArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREEN = {"width": 1280, "height": 900}
WINDOW_S = 1.5
NOISE = 0.004
# Longer than a frame, so that every event has a frame of its own.
PAUSE_MS = 30
# The page does in idle moments what its first frames would otherwise do.
REST_MS = 1500
MOST_RESTS = 20

MEASURE = """
() => {
  const frames = globalThis.frames = [], channel = new MessageChannel();
  let begun = null, scripts = null;
  channel.port1.onmessage = () => {
    frames.push([scripts - begun, performance.now() - begun]);
    begun = null;
  };
  const begin = () => { begun ??= performance.now(); };
  const end = () => requestAnimationFrame(() => {
    scripts = performance.now();
    channel.port2.postMessage(0);
  });
  for (const event of ["pointermove", "pointerup"]) {
    window.addEventListener(event, begin, true);
    window.addEventListener(event, end);
  }
}
"""
# A page that is free answers its own messages at once; what lies between them is work.
SETTLE = """
() => {
  const settling = globalThis.settling = { worst: 0, settled: null };
  const free = new MessageChannel(), painted = new MessageChannel();
  let begun = null, last = null, busy = 0;
  const { settled } = stopflow.refits;
  stopflow.refits.settled = (index) => {
    settled.call(stopflow.refits, index);
    settling.settled = performance.now() - begun;
  };
  const tick = () => {
    const now = performance.now();
    if (now - last > 0.2) busy += now - last;
    last = now;
  };
  free.port1.onmessage = () => { tick(); free.port2.postMessage(0); };
  painted.port1.onmessage = () => {
    tick();
    settling.worst = Math.max(settling.worst, busy);
    busy = 0;
    if (settling.settled !== null && last - begun > settling.settled + 300) {
      free.port1.close();
      return;
    }
    requestAnimationFrame(() => painted.port2.postMessage(0));
  };
  window.addEventListener("pointerup", () => {
    begun = last = performance.now();
    free.port2.postMessage(0);
    requestAnimationFrame(() => painted.port2.postMessage(0));
  }, true);
}
"""
MIDDLE = """
(node) => {
  const { left, top, width, height } = node.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drag:
    """Which shot is dragged, with which rate law."""

    file: str
    law: str


DRAGS = (
    Drag(file="one phase.bka", law="single"),
    Drag(file="one phase.bka", law="single-slope"),
    Drag(file="two phases.bka", law="double"),
    Drag(file="two phases.bka", law="double-slope"),
    Drag(file="one phase.bka", law="double"),
)


def bench_page(*, points: int, steps: int, progress: Progress = silent) -> list[dict[str, Any]]:
    """Drag the start of a fit over a tenth of the plot and time every frame.

    Returns
    -------
    list of dict
        A row a drag: shot, rate law, frames, milliseconds of the scripts and of the whole frame
        (median and worst), how long the page is busy at most in a frame after the release, and
        when the fit to all digits stands in it.

    Raises
    ------
    StopflowError
        Without playwright or a browser, and where a page does not settle.
    """
    with TemporaryDirectory(prefix="stopflow-bench-") as made, open_browser() as browser:
        files = _write_shots(Path(made, "lab", "dragged"), points=points)
        settings = IngestSettings(analysis=AnalysisSettings(law="single"))
        dataset = ingest(Path(made, "lab"), out=Path(made, "results"), settings=settings)
        path = Path(made, "kinetics.html")
        write_kinetics_page(kinetics_data(dataset), path)
        rows = []
        for number, drag in enumerate(DRAGS):
            progress("dragging", number, len(DRAGS))
            page = browser.new_page(viewport=SCREEN)  # type: ignore[arg-type]
            page.goto(path.as_uri())
            _open_shot(page, files.index(drag.file), law=drag.law)
            rows.append(_row(drag, *_drag(page, steps=steps)))
            page.close()
        return rows


def find_browser() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """Start a headless Chromium.

    Raises
    ------
    StopflowError
        Playwright is not installed, or no browser is found.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise StopflowError(
            "playwright is not installed, which drives the browser: pip install playwright"
        ) from error
    program = find_browser()
    if program is None:
        raise StopflowError(f"no browser was found: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def _write_shots(folder: Path, *, points: int) -> list[str]:
    """Write a shot of one phase and one of two, and return their names in the order of the page."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    time = np.linspace(0, WINDOW_S, points)
    one = 5 + 0.4 * np.exp(-4 * time)
    two = 5 + 0.3 * np.exp(-3 * time) + 0.3 * np.exp(-24 * time)
    for name, clean in (("one phase.bka", one), ("two phases.bka", two)):
        signal: FloatArray = clean + NOISE * generator.normal(size=points)
        write_bka(folder / name, time=1e3 * time, signals=signal)
    return sorted(path.name for path in folder.iterdir())


def _open_shot(page: "Page", row: int, *, law: str) -> None:
    page.wait_for_selector("html[data-ready]")
    page.evaluate(f"location.hash = '#shot={row}'")
    page.wait_for_selector(".handle.start:visible")
    page.locator("#law").select_option(law)
    page.locator(".handle.start").scroll_into_view_if_needed()
    page.wait_for_timeout(REST_MS)


def _drag(page: "Page", *, steps: int) -> tuple[list[Sequence[float]], dict[str, float]]:
    """Milliseconds (scripts, whole) of every frame of a drag, and of what follows its end."""
    handle = page.locator(".handle.start")
    handle.hover()
    x, y = handle.evaluate(MIDDLE)
    page.mouse.down()
    page.evaluate(MEASURE)
    for step in range(steps):
        page.mouse.move(x + 1 + step, y)
        page.wait_for_timeout(PAUSE_MS)
    frames = page.evaluate("frames.splice(0)")
    page.evaluate(SETTLE)
    page.mouse.up()
    for _ in range(MOST_RESTS):
        page.wait_for_timeout(REST_MS)
        settling = page.evaluate("settling")
        if settling["settled"] is not None:
            return frames, settling
    raise StopflowError(
        "the page did not settle after a drag: its numbers stayed those of the drag"
    )


def _row(
    drag: Drag, frames: Sequence[Sequence[float]], settling: dict[str, float]
) -> dict[str, Any]:
    scripts, whole = zip(*frames, strict=True)
    return {
        "shot": Path(drag.file).stem,
        "law": drag.law,
        "frames": len(whole),
        "script_ms": median(scripts),
        "script_worst_ms": max(scripts),
        "frame_ms": median(whole),
        "frame_worst_ms": max(whole),
        "release_worst_ms": settling["worst"],
        "settled_ms": settling["settled"],
    }
