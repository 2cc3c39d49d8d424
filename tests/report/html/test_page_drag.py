"""A drag: quick numbers while it lasts, those of the whole fit at its end, and its measurement."""

from contextlib import nullcontext

import pytest
from page_shots import SETTLED

from stopflow.pipeline.bench import page as bench_page

pytestmark = pytest.mark.whole

SHOWN = """
() => {
  const [index] = stopflow.edits.changed(), fit = stopflow.refits.of(stopflow.lab.shots[index]);
  return [fit.k, fit.error, fit.low, fit.high];
}
"""
WHOLE = """
async () => {
  const [index] = stopflow.edits.changed(), shot = stopflow.lab.shots[index];
  const { choice } = stopflow.refits.of(shot);
  const { time, signal } = await stopflow.lab.traces.trace(index);
  const fit = stopflow.fitTrace(time, signal, choice);
  return [fit.parameters.k_per_s, fit.stderr.k_per_s, ...fit.interval.k_per_s];
}
"""


def _drag(page) -> None:
    """Drag the start of the first shot, and keep the button down."""
    page.evaluate("location.hash = '#shot=0'")
    handle = page.locator(".handle.start")
    handle.wait_for()
    handle.hover()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y, steps=6)
    page.wait_for_timeout(100)


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "no worker"])
def test_the_numbers_at_the_end_of_a_drag_are_those_of_the_whole_fit(open_page, small_page, worker):
    page = open_page(small_page)
    if not worker:
        page.evaluate("() => { stopflow.refits.helper.worker = null; }")
    _drag(page)
    assert page.evaluate("stopflow.edits.dragged") == 0
    moving = page.evaluate(SHOWN)
    page.mouse.up()
    page.wait_for_function(SETTLED)
    assert page.evaluate("stopflow.edits.dragged") is None
    settled = page.evaluate(SHOWN)
    assert settled == page.evaluate(WHOLE)
    assert moving == pytest.approx(settled, rel=1e-3)
    assert moving != settled


def test_the_page_makes_no_fit_in_the_frame_of_the_release(open_page, small_page):
    page = open_page(small_page)
    _drag(page)
    moving = page.evaluate(SHOWN)
    page.evaluate("""() => {
      stopflow.refits.helper.worker.onmessage = ({ data }) => { globalThis.late = data; };
    }""")
    page.mouse.up()
    page.wait_for_function("() => globalThis.late !== undefined")
    assert page.evaluate("stopflow.edits.dragged") is None
    assert page.evaluate(SHOWN) == moving


def test_a_late_answer_does_not_replace_a_newer_fit(open_page, small_page):
    page = open_page(small_page)
    _drag(page)
    page.evaluate("""() => {
      const { helper } = stopflow.refits, { worker } = helper, hear = worker.onmessage;
      worker.onmessage = (event) => { globalThis.late = () => hear(event); };
    }""")
    page.mouse.up()
    page.wait_for_function("() => globalThis.late !== undefined")
    page.locator("#law").select_option("single")
    chosen = page.evaluate(SHOWN)
    page.evaluate("late()")
    page.wait_for_timeout(50)
    assert page.evaluate(SHOWN) == chosen == page.evaluate(WHOLE)


def test_an_undone_drag_that_is_redone_is_over(open_page, small_page):
    page = open_page(small_page)
    page.evaluate("stopflow.edits.change(0, { startS: 0.02 }, { merge: 'start' })")
    assert page.evaluate("stopflow.edits.dragged") == 0
    page.evaluate("() => { stopflow.edits.undo(); stopflow.edits.redo(); }")
    assert page.evaluate("stopflow.edits.dragged") is None


def test_the_measurement_of_a_drag_times_every_frame(browser, monkeypatch):
    monkeypatch.setattr(bench_page, "DRAGS", bench_page.DRAGS[:1])
    monkeypatch.setattr(bench_page, "REST_MS", 300)
    monkeypatch.setattr(bench_page, "open_browser", lambda: nullcontext(browser))
    (row,) = bench_page.bench_page(points=600, steps=10)
    assert row["law"] == "single"
    assert row["frames"] == 10
    assert 0 < row["script_ms"] <= row["frame_ms"] <= row["frame_worst_ms"]
    assert 0 < row["release_worst_ms"]
    assert 0 < row["settled_ms"]
