"""Which shot of a lab a test looks at, and the hand that moves the ends of its fit."""

from stopflow.report.data import KineticsReportData

SETTLED = """
() => stopflow.edits.changed().map((index) => stopflow.refits.of(stopflow.lab.shots[index]))
  .every((fit) => !fit?.followed)
"""
"""No shot waits for the fit to all digits that follows a drag."""


def shot_of(data: KineticsReportData, *, verdict: str = "PASS") -> int:
    """Return the row of the first shot with a verdict."""
    return int((data.shots["verdict"] == verdict).to_numpy().argmax())


def drag(page, which: str, by_px: float) -> None:
    """Drag the start or the end of the fit that is shown."""
    handle = page.locator(f".handle.{which}")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for part in (0.3, 0.7, 1.0):
        page.mouse.move(x + by_px * part, y)
    page.mouse.up()
