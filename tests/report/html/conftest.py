"""A headless browser, and pages opened in it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stopflow.pipeline.bench.page import BROWSERS, find_browser
from stopflow.pipeline.reports import kinetics_data
from stopflow.report.data import KineticsReportData
from stopflow.report.html.page import write_kinetics_page
from stopflow.store import load_dataset


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium; without one the tests are skipped, except in the gate (`CI` is set)."""
    sync_api = _found("playwright is not installed", lambda: pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed"
    ))  # fmt: skip
    program = find_browser()
    if program is None:
        _missing(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def _found(reason: str, load: Callable[[], object]) -> object:
    try:
        return load()
    except pytest.skip.Exception:
        _missing(reason)


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def open_page(browser, tmp_path) -> Iterator[Callable[..., object]]:
    """Write a page and open it; errors in its scripts and requests beyond it fail the test."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce", accept_downloads=True
    )
    context.set_default_timeout(10_000)
    faults: list[str] = []

    def opened(source: KineticsReportData | Path, *, light: bool = False, ready: bool = True):
        path = source
        if isinstance(source, KineticsReportData):
            path = tmp_path / "kinetics.html"
            write_kinetics_page(source, path, light=light)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda said: faults.append(f"console: {said.text}"))
        page.on("request", lambda request: _note_request(request, path, faults))
        page.goto(path.as_uri())
        if ready:
            page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    context.close()
    assert faults == []


def _note_request(request, path: Path, faults: list[str]) -> None:
    allowed = (path.as_uri(), "data:", "blob:")
    if not request.url.startswith(allowed):
        faults.append(f"request: {request.url}")


@pytest.fixture(scope="session")
def small_page(small_lab, tmp_path_factory) -> Path:
    """The page of the simulated lab, written once."""
    path = tmp_path_factory.mktemp("page") / "kinetics.html"
    write_kinetics_page(small_lab, path)
    return path


@pytest.fixture(scope="session")
def small_lab(ingested) -> KineticsReportData:
    """The simulated lab as its ingest left it."""
    return kinetics_data(load_dataset(ingested / "data" / "ingested"))
