"""The page without a mouse, on a screen of either colour, and on paper."""

import re
from dataclasses import replace

import pytest
from page_shots import shot_of

pytestmark = pytest.mark.whole

USED = re.compile(r"\s*- (button|link|slider|textbox|searchbox|spinbutton|combobox|checkbox|img)\b")
STOP = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const name = node.getAttribute("aria-label") || node.labels?.[0]?.innerText || node.innerText;
  return { name: name.trim(), outline: getComputedStyle(node).outlineStyle };
}"""
LIGHTNESS = """() => {
  const canvas = document.querySelector("#plots canvas.chart");
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, count = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 255) continue;
    sum += data[at] + data[at + 1] + data[at + 2];
    count++;
  }
  return sum / count / 3;
}"""


def tab_stops(page, *, most: int) -> list[dict]:
    """Press Tab until the page is left; what had the focus each time."""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            break
        stops.append(stop)
    return stops


def test_every_stop_of_the_tab_key_has_a_name_and_is_seen(open_page, small_lab, small_page):
    page = open_page(small_page)
    overview = tab_stops(page, most=60)
    page.evaluate(f"location.hash = '#shot={shot_of(small_lab)}'")
    page.get_by_role("slider", name="Start of the fit").wait_for()
    page.locator("#trace-title").focus()
    trace = tab_stops(page, most=30)
    for stop in overview + trace:
        assert stop["name"]
        assert stop["outline"] == "solid", stop
    names = [stop["name"] for stop in trace]
    for name in ("next shot →", "Zoom in", "Start of the fit", "End of the fit", "Rate law"):
        assert name in names
    assert "use this shot in means and plots" in names


def test_every_plot_says_what_it_shows(open_page, small_lab, small_page):
    page = open_page(small_page)
    page.evaluate(f"location.hash = '#shot={shot_of(small_lab)}'")
    page.get_by_role("slider", name="Start of the fit").wait_for()
    said = page.locator("canvas[role=img]:visible").evaluate_all(
        "plots => plots.map((plot) => plot.getAttribute('aria-label'))"
    )
    assert len(said) > 3
    assert all(len(text) > 20 for text in said)


BOXES = 'document.querySelectorAll("#conditions .scroll, #shots .scroll")'
K_SEEN = f"""() => [...{BOXES}].map((box) => {{
  const heads = [...box.querySelectorAll("thead th")];
  const k = heads.find((one) => one.textContent.startsWith("k /")).getBoundingClientRect();
  return k.right <= box.getBoundingClientRect().right;
}})"""
NAME_SEEN = f"""() => [...{BOXES}].map((box) => {{
  box.scrollLeft = 1e6;
  const frame = box.getBoundingClientRect();
  const name = box.querySelector("tbody th").getBoundingClientRect();
  return box.scrollLeft > 0 && name.left >= frame.left && name.right <= frame.right;
}})"""


def test_a_table_shows_k_on_a_tablet_and_the_name_beside_it_on_a_telephone(open_page, small_lab):
    known = {
        name: getattr(small_lab, name).assign(ionic_strength_M=0.1, temperature_K=298.15)
        for name in ("shots", "conditions")
    }
    page = open_page(replace(small_lab, **known))
    page.set_viewport_size({"width": 900, "height": 900})
    assert page.evaluate(K_SEEN) == [True, True]
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate(NAME_SEEN) == [True, True]


def test_plots_take_the_colours_of_the_screen_and_of_paper(open_page, small_page):
    page = open_page(small_page)
    light = page.evaluate(LIGHTNESS)
    # Most of what is opaque is the grid.
    wait_until(page, lambda now: now < light - 40, color_scheme="dark")
    wait_until(page, lambda now: abs(now - light) < 10, color_scheme="dark", media="print")
    wait_until(page, lambda now: now < light - 40, color_scheme="dark", media="screen")


def wait_until(page, right, **media: str) -> None:
    """Change the medium; what is drawn follows in the next frames."""
    page.emulate_media(**media)
    for _ in range(100):
        lightness = page.evaluate(LIGHTNESS)
        if right(lightness):
            return
        page.wait_for_timeout(50)
    raise AssertionError(lightness)


def test_a_window_that_is_moved_by_keys_alone_is_told(open_page, small_lab, small_page):
    """From the table to another k, which a screen reader speaks; the focus stays where it was."""
    page = open_page(small_page)
    page.locator("#shots tbody button").nth(shot_of(small_lab)).focus()
    page.keyboard.press("Enter")
    page.get_by_role("slider", name="Start of the fit").focus()
    before = page.get_by_role("slider", name="Start of the fit").get_attribute("aria-valuetext")
    page.keyboard.press("Shift+ArrowRight")
    page.locator("#status", has_text="per second").wait_for()
    said = page.locator("#status").inner_text()
    assert re.match(r"k is [\d.]+ ± [\d.]+ per second, −?[\d.]+ standard errors from", said), said
    slider = page.get_by_role("slider", name="Start of the fit")
    assert slider.get_attribute("aria-valuetext") != before
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Start of the fit"


def test_a_table_that_is_drawn_again_keeps_the_row_under_the_keys(open_page, small_lab, small_page):
    page = open_page(small_page)
    row = shot_of(small_lab)
    page.locator("#shots tbody button").nth(row).focus()
    page.keyboard.press("Enter")
    page.get_by_role("slider", name="Start of the fit").wait_for()
    page.locator("#shots tbody button").nth(row).focus()
    page.evaluate("stopflow.edits.change(0, { note: 'bubble' })")
    page.wait_for_timeout(300)
    under_keys = page.evaluate("document.activeElement.closest('tr')?.dataset.index")
    assert under_keys == page.locator("#shots tr.current").get_attribute("data-index") == str(row)


def test_nothing_that_can_be_used_is_without_a_name_in_the_tree(open_page, small_lab, small_page):
    page = open_page(small_page)
    page.evaluate(f"location.hash = '#shot={shot_of(small_lab)}'")
    page.get_by_role("slider", name="Start of the fit").wait_for()
    tree = page.locator("body").aria_snapshot().splitlines()
    used = [line.strip() for line in tree if USED.match(line)]
    assert len(used) > 30
    assert [line for line in used if '"' not in line] == []
    assert len([line for line in tree if re.match(r"\s*- status", line)]) > 2
