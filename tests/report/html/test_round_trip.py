"""What is changed in the page is what `stopflow ingest` gives with the file that the page saves."""

import csv
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli_lab import exit_code
from page_shots import SETTLED, drag

pytestmark = pytest.mark.whole

EDITS = 50
KINDS = ("start", "start", "end", "end", "typed", "keys", "law", "use")
PAGE_LAWS = ("single", "single-slope", "double", "double-slope")
SHOWN = """() => Object.fromEntries(stopflow.lab.shots.map((shot) => {
  const row = document.querySelector(`#shots tr[data-index="${shot.index}"]`);
  const cells = Object.fromEntries([...row.cells].map((cell, at) =>
    [document.querySelectorAll("#shots thead th")[at].textContent, cell.innerText]));
  const fit = stopflow.refits.of(shot), edit = stopflow.edits.of(shot.index);
  return [`${shot.experiment}/${shot.file}`, {
    cells, use: edit.use, changed: Boolean(fit), ok: fit ? fit.ok : Number.isFinite(shot.k_per_s),
    law: edit.law ?? shot.law, parameters: fit?.parameters ?? null,
    numbers: fit?.ok ? [fit.k, fit.error, fit.low, fit.high] : null,
  }];
}))"""


def edit_at_random(page, rng: np.random.Generator, *, shots: int) -> None:
    """Open a shot and change it as a reader would, by mouse or by keys."""
    row = int(rng.integers(shots))
    page.evaluate(f"location.hash = '#shot={row}'")
    title = page.evaluate(f"stopflow.lab.shots[{row}].file")
    page.locator("#trace-title", has_text=title).wait_for()
    kind = KINDS[int(rng.integers(len(KINDS)))]
    if kind in ("start", "end"):
        drag(page, kind, (1 if kind == "start" else -1) * float(rng.uniform(5, 120)))
    elif kind == "typed":
        field = page.get_by_label("Start", exact=True)
        field.fill(str(round(float(field.input_value()) * rng.uniform(1.05, 1.5), 3)))
        field.press("Enter")
    elif kind == "keys":
        page.get_by_role("slider", name="End of the fit").focus()
        for _ in range(int(rng.integers(1, 5))):
            page.keyboard.press("Shift+ArrowLeft")
    elif kind == "law":
        page.get_by_label("Rate law").select_option(PAGE_LAWS[int(rng.integers(len(PAGE_LAWS)))])
    else:
        page.get_by_label("use this shot in means and plots").set_checked(bool(rng.random() < 0.3))


def save_decisions(page, lab: Path) -> None:
    """Save, and put what comes where the page says."""
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save decisions").click()
    if saved.value.suggested_filename == "decisions.csv":
        folder = next(path for path in sorted(lab.iterdir()) if path.is_dir())
        shutil.copyfile(saved.value.path(), folder / "decisions.csv")
    else:
        with zipfile.ZipFile(saved.value.path()) as archive:
            archive.extractall(lab)


@pytest.fixture
def own_lab(simulated, tmp_path) -> Path:
    """Copy the lab: decisions are written into it."""
    return Path(shutil.copytree(simulated, tmp_path / "lab"))


def ingest(lab: Path, out: Path) -> Path:
    """Ingest a lab; returns its page."""
    exit_code("ingest", lab, "--out", out / "ingested", "--reports", out / "reports", "--quiet")
    return out / "reports" / "kinetics.html"


def shown_on(page) -> dict[str, dict]:
    """Numbers of every shot as the page has them and as its table shows them."""
    more = page.locator("#shots").get_by_role("button", name="Show all")
    if more.count():
        more.click()
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(400)
    return page.evaluate(SHOWN)


EARLIER = """file,channel,use,start,end,law,note
{0},,,,0.4 s,,lamp drifts
{1},1,yes,0.012 s,0.3 s,double,"two, certainly"
elsewhere.bka,,no,,,,kept for later
"""


def test_earlier_decisions_that_nothing_changes_stay_in_the_file(open_page, own_lab, tmp_path):
    """End, rate law and reason, of shots that are edited and of those that are not."""
    folder = min(path for path in own_lab.iterdir() if path.is_dir())
    other = max(path for path in own_lab.iterdir() if path.is_dir()).rename(own_lab / "constructor")
    names = sorted(path.name for path in folder.glob("*.bka"))[:3]
    (folder / "decisions.csv").write_text(EARLIER.format(*names), "utf-8")
    page = open_page(ingest(own_lab, tmp_path / "before"))
    for name, start in ((names[1], "15"), (names[2], "14")):
        row = page.evaluate(f"stopflow.lab.shots.findIndex((s) => s.file === '{name}')")
        page.evaluate(f"location.hash = '#shot={row}'")
        page.locator("#trace-title", has_text=name).wait_for()
        page.get_by_label("Start", exact=True).fill(start)
        page.get_by_label("Start", exact=True).press("Enter")
    page.evaluate(
        "stopflow.edits.change(stopflow.lab.shots.findIndex((s) => s.experiment === 'constructor'),"
        " { use: false })"
    )
    save_decisions(page, own_lab)
    assert ",no," in (other / "decisions.csv").read_text("utf-8")
    text = (folder / "decisions.csv").read_text("utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1] == [names[0], "", "", "", "0.4 s", "", "lamp drifts"]
    assert rows[2] == ["elsewhere.bka", "", "no", "", "", "", "kept for later"]
    assert rows[3][:6] == [names[1], "1", "yes", "0.015 s", "0.3 s", "double"]
    assert rows[3][6].endswith("(before: two, certainly)")
    assert rows[4][:6] == [names[2], "1", "yes", "0.014 s", "", ""]


def test_fifty_edits_come_back_with_every_digit(open_page, own_lab, tmp_path, rng):
    page = open_page(ingest(own_lab, tmp_path / "before"))
    shots = page.evaluate("stopflow.lab.shots.length")
    for _ in range(EDITS):
        edit_at_random(page, rng, shots=shots)
    edited = shown_on(page)
    save_decisions(page, own_lab)
    page.close()
    again = open_page(ingest(own_lab, tmp_path / "after"))
    found = shown_on(again)
    numbers = again.evaluate(
        """() => Object.fromEntries(stopflow.lab.shots.map((shot) =>
          [`${shot.experiment}/${shot.file}`,
           [shot.k_per_s, shot.k_stderr_per_s, shot.k_low95_per_s, shot.k_high95_per_s]]))"""
    )
    left_out = {name for name, shot in edited.items() if not shot["use"]}
    assert set(found) == set(edited) - left_out
    changed = {name for name, shot in edited.items() if shot["changed"]} - left_out
    assert len(changed) > 10
    rate = next(title for title in next(iter(found.values()))["cells"] if title.startswith("k /"))
    yours = next(
        title for title in next(iter(found.values()))["cells"] if title.startswith("Yours")
    )
    for name in set(edited) - left_out:
        before, after = edited[name], found[name]
        expected = before["cells"][yours if name in changed else rate]
        if before["ok"]:
            assert after["cells"][rate] == expected, (name, before, after)
            assert after["law"] == before["law"], name
        if before["numbers"]:
            assert numbers[name] == pytest.approx(before["numbers"], rel=1e-6), name
