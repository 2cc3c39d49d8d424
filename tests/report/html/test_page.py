"""The page in a browser: what it shows, what dragging does, what it saves, what it survives."""

import base64
import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import report_lab
from page_fits import Job, fit_in_python
from page_shots import SETTLED, drag, shot_of

from stopflow.kinetics.fit import fit_trace
from stopflow.report.data import sort_conditions
from stopflow.report.html.assemble import script_json
from stopflow.report.html.page import build_page
from stopflow.report.paper.rounding import format_pm_groups
from stopflow.report.paper.style import HARD_BLANK

pytestmark = pytest.mark.whole

NASTY = (
    "</script><img src=x onerror=hacked=1>.bka",
    "\"><b onmouseover='hacked=1'>.bka",
    "line\u2028end\u2029&amp;<!--.bka",
    '=HYPERLINK("x").bka',
)
SCREENS = (320, 1280, 3840)


def open_shot(page, row: int) -> None:
    page.evaluate(f"location.hash = '#shot={row}'")
    page.wait_for_selector("#trace:not([hidden])")
    page.wait_for_timeout(150)


def test_counts_and_tables(open_page, small_lab, small_page):
    page = open_page(small_page)
    for verdict in ("PASS", "WARN", "FAIL"):
        count = int((small_lab.shots["verdict"] == verdict).sum())
        assert page.locator(f".chip.{verdict} strong").inner_text() == str(count)
    assert page.locator("#shots tbody tr").count() == min(100, len(small_lab.shots))
    assert page.locator("#conditions tbody tr").count() == len(small_lab.conditions)
    answers = page.locator(".answers dd").all_inner_texts()
    assert len(answers) == 4
    assert all(answers)


def test_a_verdict_filters_on_click_and_the_selection_is_exported(open_page, small_lab, small_page):
    page = open_page(small_page)
    page.locator(".chip.WARN").click()
    warned = small_lab.shots[small_lab.shots["verdict"] == "WARN"]
    assert page.locator("#shots tbody tr").count() == len(warned)
    with page.expect_download() as saved:
        page.locator("#shots").get_by_text("Export this selection").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text("utf-8"))))
    assert [row["File"] for row in rows] == warned["file"].tolist()
    assert [float(row["k (s⁻¹)"]) for row in rows] == pytest.approx(
        warned["k_per_s"].tolist(), rel=1e-11
    )


def test_rates_of_an_experiment_have_the_digits_and_the_order_of_the_paper(open_page, lab):
    """The two tables of the page, turned upside down, against those of the PDF."""
    shots = lab.conditions["shots"].to_numpy()
    fitted = np.where(np.arange(len(shots)) == 1, shots - 1, shots)
    lab = replace(lab, conditions=lab.conditions.assign(fitted=fitted))
    turned = replace(lab, conditions=lab.conditions.iloc[::-1])
    page = open_page(turned)
    for place, table in (("conditions", sort_conditions(turned.conditions)), ("shots", lab.shots)):
        titles = page.locator(f"#{place} thead th").all_text_contents()
        at = next(n for n, title in enumerate(titles, start=1) if title.startswith("k "))
        pairs = list(zip(table["k_per_s"], table["k_stderr_per_s"], strict=True))
        shown = page.locator(f"#{place} tbody tr > :nth-child({at})").all_inner_texts()
        if place == "conditions":
            used = page.locator(f"#{place} tbody td:nth-child({at - 1})").all_inner_texts()
            assert len([text for text in used if " of " in text]) == 1
        assert shown == format_pm_groups(list(table["experiment"]), pairs)[: len(shown)]


def test_a_name_of_a_file_breaks_only_where_it_is_long(open_page, lab):
    short = [f"ferulate_25uM_{number}.bka" for number in range(len(lab.shots))]
    page = open_page(replace(lab, shots=lab.shots.assign(file=short, reason="a reason " * 40)))
    page.set_viewport_size({"width": 320, "height": 900})
    heights = page.locator("#shots tbody th button").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().height)"
    )
    line = page.locator("#shots tbody td").first.evaluate(
        "(cell) => parseFloat(getComputedStyle(cell).lineHeight)"
    )
    assert max(heights) < 1.5 * line


def test_columns_sort_by_number(open_page, small_lab, small_page):
    page = open_page(small_page)
    button = page.locator("#shots thead button", has_text="k / s⁻¹")
    for order in ("ascending", "descending"):
        button.click()
        assert page.locator(f"#shots th[aria-sort={order}]").count() == 1
        first = int(page.locator("#shots tbody tr").first.get_attribute("data-index"))
        k = small_lab.shots["k_per_s"]
        assert first == (k.idxmin() if order == "ascending" else k.idxmax())


def test_dragging_the_start_refits_at_once(open_page, small_lab, small_page):
    page = open_page(small_page)
    row = shot_of(small_lab)
    open_shot(page, row)
    drag(page, "start", 60)
    page.wait_for_function(SETTLED)
    start = page.evaluate(f"stopflow.edits.of({row}).startS")
    time, signal = small_lab.trace(row)
    shot = small_lab.shots.iloc[row]
    assert start in time
    assert start > shot["start_s"]
    k = page.evaluate(f"stopflow.refits.of(stopflow.lab.shots[{row}]).k")
    fit = fit_trace(time, signal, law=shot["law"], start_s=start)
    assert k == pytest.approx(fit.k_per_s, rel=1e-9)
    assert "1 shot changed, not saved" in page.locator("#save-bar").inner_text()
    assert page.locator(".comparison tbody td:nth-child(3)").first.inner_text() != ""


def test_amplitudes_of_different_starts_are_not_compared(open_page, small_lab, small_page):
    page = open_page(small_page)
    open_shot(page, shot_of(small_lab))
    changes = page.locator(".comparison tbody tr")
    amplitude = changes.filter(has_text="amplitude").locator("td").last
    page.locator(".handle.end").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert amplitude.inner_text().endswith("SE")
    drag(page, "start", 60)
    assert amplitude.inner_text() == "other start"
    assert changes.first.locator("td").last.inner_text().endswith("SE")


def test_undo_and_redo(open_page, small_lab, small_page):
    page = open_page(small_page)
    row = shot_of(small_lab)
    open_shot(page, row)
    drag(page, "start", 60)
    page.wait_for_function(SETTLED)
    start = page.evaluate(f"stopflow.edits.of({row}).startS")
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate(f"stopflow.edits.of({row}).startS") is None
    assert "No changes yet" in page.locator("#save-bar").inner_text()
    page.get_by_role("button", name="Redo").click()
    assert page.evaluate(f"stopflow.edits.of({row}).startS") == start


def test_the_keyboard_moves_the_window_and_goes_through_shots(open_page, small_lab, small_page):
    page = open_page(small_page)
    open_shot(page, 0)
    time, _ = small_lab.trace(0)
    handle = page.get_by_role("slider", name="Start of the fit")
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    start = page.evaluate("stopflow.edits.of(0).startS")
    first = int(np.searchsorted(time, small_lab.shots["start_s"].iloc[0]))
    assert start == time[first + 11]
    assert float(handle.get_attribute("aria-valuenow")) == start
    page.locator("#trace-title").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**#shot=1")
    page.keyboard.press("Escape")
    assert page.locator("#trace").is_hidden()


def test_a_shot_that_is_left_out_moves_the_secondary_plot(open_page, small_page):
    page = open_page(small_page)
    for at, plot in enumerate(page.evaluate("stopflow.lab.plots.map((plot) => plot.parameters)")):
        same = page.evaluate(
            """async (at) => {
              const { lab, refits, refitPlot } = stopflow;
              return refitPlot(lab.plots[at], lab.conditions, (c) => refits.ratesOf(c), lab.scatter)
                ?.parameters ?? null;
            }""",
            at,
        )
        if same is not None:
            values = {item["name"]: item["value"] for item in same}
            assert values == pytest.approx({item["name"]: item["value"] for item in plot}, rel=1e-6)
    open_shot(page, 0)
    page.get_by_label("use this shot in means and plots").uncheck()
    page.locator(".parameters.yours", has_text="Yours: k_on = ").wait_for()


def test_a_plot_says_why_no_model_was_taken_and_amounts_in_the_unit_of_its_axis(
    open_page, small_lab
):
    secondary = small_lab.secondary.copy()
    first, second = secondary["plot"].unique()[:2]
    rejected, told = secondary["plot"] == first, secondary["plot"] == second
    secondary.loc[rejected, "chosen"] = False
    secondary.loc[rejected, "remark"] = "curved (chance 0.004 for a straight line)"
    at = secondary.index[told & secondary["chosen"].astype(bool)][0]
    secondary.loc[at, ["value", "stderr", "unit"]] = [3.7e-4, 1.2e-4, "M"]
    page = open_page(replace(small_lab, secondary=secondary))
    titles = page.locator(".plots figure .parameters:not(.yours)")
    assert titles.nth(0).inner_text() == (
        "no model was taken: curved (chance 0.004 for a straight line)"
    )
    unit = page.evaluate("stopflow.lab.plots[1].xLabel").split(" / ")[1]
    known = {"mM": "0.37 ± 0.12 mM", "µM": "370 ± 120 µM"}
    assert known[unit] in titles.nth(1).inner_text().replace(HARD_BLANK, " ")
    page.evaluate("stopflow.edits.change(0, { use: false })")
    open_shot(page, 0)
    page.locator(".parameters.yours", has_text="fitted again by the next ingest").first.wait_for()


def test_decisions_are_saved_with_their_reasons(open_page, small_lab, small_page):
    page = open_page(small_page)
    open_shot(page, 0)
    drag(page, "end", -80)
    page.get_by_label("Reason").fill('bubble, "large"')
    page.get_by_label("Rate law").select_option("single")
    end = page.evaluate("stopflow.edits.of(0).endS")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save decisions").click()
    assert saved.value.suggested_filename == "decisions.csv"
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text("utf-8"))))
    shot = small_lab.shots.iloc[0]
    assert rows == [
        {
            "file": shot["file"],
            "channel": "1",
            "use": "yes",
            "start": "",
            "end": f"{end!r} s",
            "law": "single" if shot["law"] != "single" else "",
            "note": 'bubble, "large"',
        }
    ]
    assert "saved" in page.locator("#save-bar").inner_text()


def test_a_detected_start_is_written_down_with_another_change(open_page, small_lab):
    shots = small_lab.shots.assign(start_source="detected", start_inflation=1.5)
    page = open_page(replace(small_lab, shots=shots))
    page.evaluate("stopflow.edits.change(0, { law: 'single', note: 'flat' })")
    page.locator("#shots").get_by_role("button", name=shots["file"].iloc[0]).first.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save decisions").click()
    row = next(csv.DictReader(io.StringIO(saved.value.path().read_text("utf-8"))))
    start = float(shots["start_s"].iloc[0])
    assert (row["start"], row["law"]) == (f"{start!r} s", "single")
    page.wait_for_timeout(300)
    error = page.evaluate("stopflow.refits.of(stopflow.lab.shots[0]).error")
    time, signal = small_lab.trace(0)
    job = Job(time_s=time, signal=signal, law="single", start_s=start, end_s=float(time[-1]))
    assert error == pytest.approx(fit_in_python(job).stderr["k_per_s"], rel=1e-9)


def test_decisions_of_several_experiments_come_as_an_archive(open_page, small_lab, small_page):
    page = open_page(small_page)
    last = len(small_lab.shots) - 1
    page.evaluate(
        "(rows) => rows.forEach((row) => stopflow.edits.change(row, {use: false, note: 'twice'}))",
        [0, last],
    )
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save decisions").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        text = archive.read(names[0]).decode()
    experiments = small_lab.shots["experiment"].iloc[[0, last]]
    assert names == [f"{name}/decisions.csv" for name in experiments]
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["use"], row["note"]) == ("no", "twice")


def test_changes_survive_a_reload_and_are_announced(open_page, small_page):
    page = open_page(small_page)
    page.evaluate("stopflow.edits.change(0, { use: false, note: 'bubble' })")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("stopflow.edits.of(0).note") == "bubble"
    assert "1 change of an earlier visit restored" in page.locator("#status").inner_text()
    page.locator("#save-bar", has_text="1 shot changed, not saved").wait_for()


def test_names_are_texts_and_never_markup(open_page, lab):
    shots = lab.shots.copy()
    conditions, cuts, secondary = lab.conditions.copy(), lab.cuts.copy(), lab.secondary.copy()
    shots.loc[: len(NASTY) - 1, "file"] = NASTY
    shots.loc[0, "reason"] = NASTY[1]
    for table in (shots, conditions, cuts, secondary):
        table["experiment"] = table["experiment"].replace(shots["experiment"].iloc[0], NASTY[0])
    data = replace(lab, shots=shots, conditions=conditions, cuts=cuts, secondary=secondary)
    page = open_page(data)
    open_shot(page, 0)
    assert page.locator("#trace-title").inner_text() == NASTY[0]
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("img").count() == 0
    assert page.evaluate("stopflow.lab.shots.map((shot) => shot.file)") == shots["file"].tolist()
    with page.expect_download() as saved:
        page.locator("#shots").get_by_text("Export this selection").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text("utf-8"))))
    assert rows[3]["File"] == f"'{NASTY[3]}"


@pytest.mark.essential
def test_script_json_gives_back_what_it_was_given():
    value = {"a": ["</script>", "\u2028\u2029", "<!--", "é &amp; \\"], "b": [1.5, None]}
    text = script_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


@pytest.mark.parametrize("width", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows(open_page, small_page, width, scheme):
    page = open_page(small_page)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    open_shot(page, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "[...document.querySelectorAll('canvas')].every((chart) => chart.clientWidth <= innerWidth)"
    )


def test_print_shows_every_row_and_no_button(open_page, small_lab, small_page):
    page = open_page(small_page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#shots tbody tr").count() == len(small_lab.shots)
    assert page.locator("#save-bar").is_hidden()


def test_the_light_page_shows_all_and_says_that_it_cannot_refit(open_page, small_lab):
    page = open_page(small_lab, light=True)
    open_shot(page, 0)
    assert "--html-light" in page.locator(".message").inner_text()
    assert page.locator(".handle.start").is_hidden()
    thin = page.evaluate("stopflow.lab.traces.trace(0).then(({ thin }) => [...thin.signal])")
    signal = small_lab.trace(0)[1]
    step = np.ptp(signal) / 65535
    assert min(thin) == pytest.approx(signal.min(), abs=step)
    assert max(thin) == pytest.approx(signal.max(), abs=step)


def test_traces_come_back_bit_by_bit(open_page, small_lab, small_page):
    page = open_page(small_page)
    script = """async (row) => {
      const { time, signal } = await stopflow.lab.traces.trace(row);
      const text = (v) => btoa(String.fromCharCode(...new Uint8Array(v.buffer)));
      return [text(time), text(signal)];
    }"""
    for row in range(0, len(small_lab.shots), 9):
        for found, expected in zip(page.evaluate(script, row), small_lab.trace(row), strict=True):
            assert base64.b64decode(found) == np.asarray(expected, dtype="<f8").tobytes()


def test_refused_and_unreadable_shots_have_their_place(open_page, lab):
    page = open_page(lab)
    for row in np.flatnonzero(lab.shots["verdict"] == "FAIL").tolist():
        open_shot(page, row)
        assert page.locator("#trace-title").inner_text() == lab.shots["file"].iloc[row]
        assert page.locator(".message").inner_text() != ""


@pytest.mark.parametrize("case", sorted(report_lab.build_odd_labs(points=201, series=2)))
def test_odd_labs(open_page, case):
    data = report_lab.build_odd_labs(points=201, series=2)[case]
    page = open_page(data)
    assert page.evaluate("stopflow.lab.shots.length") == len(data.shots)
    if len(data.shots):
        open_shot(page, 0)


def test_ten_thousand_shots(open_page, lab):
    few = lab.shots
    copies = 10_000 // len(few)
    shots = pd.concat([few.assign(file=few["file"] + f"_{i}.") for i in range(copies)])
    data = replace(
        lab,
        shots=shots.reset_index(drop=True),
        cuts=lab.cuts.iloc[:0],
        trace=lambda row: lab.trace(row) if row < len(few) else None,
    )
    page = open_page(data, light=True)
    assert page.locator("#shots tbody tr").count() == 100
    page.get_by_label("Show rows that hold this text").fill("_249.")
    assert page.locator("#shots tbody tr").count() == len(few)


@pytest.mark.essential
def test_the_same_lab_gives_the_same_bytes(lab):
    assert build_page(lab) == build_page(lab)
