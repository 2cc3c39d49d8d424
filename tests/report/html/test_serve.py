"""`stopflow serve`: the page of a followed folder, over HTTP and in a browser."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from urllib.parse import urlsplit

import pytest
from cli_lab import own_environment

from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.serve import follow
from stopflow.pipeline.serve.decided import Sent
from stopflow.pipeline.serve.follow import FollowedLab
from stopflow.pipeline.serve.server import serving
from stopflow.pipeline.serve.watch import QUIET_S, Watch
from stopflow.store import Dataset, load_dataset

pytestmark = pytest.mark.whole

PATIENCE_S = 30.0
HEADER = "file,channel,use,start,end,law,note\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server."""

    process: subprocess.Popen
    address: str
    lab: Path

    def text(self, place: str = "") -> str:
        with urllib.request.urlopen(self.address + place, timeout=PATIENCE_S) as answer:
            return answer.read().decode()

    def state(self, *, after: int) -> dict:
        """Wait for a version other than `after`."""
        until = monotonic() + PATIENCE_S
        while monotonic() < until:
            state = json.loads(self.text(f"state?after={after}"))
            if state["version"] != after:
                return state
        raise AssertionError(f"nothing changed: {state}")

    def post(self, texts: object, *, by: str = "a", version: int = 0, **headers: str) -> int:
        request = urllib.request.Request(
            self.address + "decisions",
            data=json.dumps({"by": by, "version": version, "texts": texts}).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[[Path], Served]]:
    """Start servers; they are ended at the end."""
    started = []

    def start(lab: Path) -> Served:
        process = subprocess.Popen(
            [sys.executable, "-m", "stopflow", "serve", str(lab), "--port", "0", "--no-open"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=own_environment(PYTHONUNBUFFERED="1"),
            cwd=tmp_path,
        )
        started.append(process)
        line = process.stdout.readline()
        return Served(process=process, address=line.split()[-1], lab=lab)

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def few_shots(simulated, tmp_path) -> Path:
    """A lab of one experiment of six shots."""
    source = min(path for path in simulated.iterdir() if path.is_dir())
    folder = tmp_path / "instrument" / "today"
    shutil.copytree(source, folder)
    for extra in sorted(folder.glob("*.bka"))[6:]:
        extra.rename(tmp_path / extra.name)
    return folder.parent


def test_new_shots_decisions_and_requests_from_elsewhere(serve, few_shots, tmp_path):
    served = serve(few_shots)
    served.state(after=0)
    today = few_shots / "today"
    file = min(path.name for path in today.glob("*.bka"))

    # A file that the instrument has begun and not finished, then finished.
    later = min(tmp_path.glob("*.bka"))
    whole, version = later.read_bytes(), json.loads(served.text("state"))["version"]
    (today / later.name).write_bytes(whole[: len(whole) // 2])
    version = served.state(after=version)["version"]
    (today / later.name).write_bytes(whole)
    version = served.state(after=version)["version"]
    assert json.dumps(later.name) in served.text()

    # Decisions are written into the folder, whole; the page that sent them has them already.
    text = HEADER + f"{file},1,no,,,,bubble\n"
    assert served.post({"today": text}, by="me", version=version) == 200
    assert (today / "decisions.csv").read_text("utf-8") == text
    state = served.state(after=version)
    assert (state["version"], state["by"]) == (version + 1, "me")

    # Everything else is refused, and writes nothing.
    parts = urlsplit(served.address)
    assert served.post({"today": HEADER}, Origin="http://example.org") == 403
    assert served.post({"today": HEADER}, **{"Content-Type": "text/plain"}) == 415
    assert served.post({"tomorrow": HEADER}) == 400
    assert served.post({"../today": HEADER}) == 400
    assert served.post({"today": HEADER + "x,1,perhaps,,,,\n"}) == 400
    assert served.post(["today"]) == 400
    assert served.post({"today": HEADER}, by="other", version=version) == 409
    assert _status(parts.netloc, "/", host=parts.netloc) == 403
    assert _status(parts.netloc, "/guessed/decisions", host=parts.netloc, post=True) == 403
    assert _status(parts.netloc, parts.path, host="rebound.example.org") == 403
    assert _status(parts.netloc, parts.path + "further", host=parts.netloc) == 404
    assert (today / "decisions.csv").read_text("utf-8") == text
    assert {path.name for path in few_shots.iterdir()} == {"today"}


def _status(netloc: str, path: str, *, host: str, post: bool = False) -> int:
    connection = http.client.HTTPConnection(netloc, timeout=PATIENCE_S)
    body = json.dumps({"today": HEADER}) if post else None
    connection.request(
        "POST" if post else "GET",
        path,
        body=body,
        headers={"Host": host, "Content-Type": "application/json"},
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_new_shot_is_told_before_the_page_has_it(few_shots, tmp_path):
    """Its rate as soon as its folder is fitted, which is that of the page that follows."""
    today = few_shots / "today"
    later = shutil.move(min(today.glob("*.bka")), tmp_path)
    lab = FollowedLab(few_shots, work=tmp_path / "work", settings=IngestSettings())
    follower = Thread(target=lab.follow, daemon=True)
    follower.start()
    before = lab.wait(after=0, told=0, timeout_s=PATIENCE_S)
    shutil.copy(later, today)
    state = lab.wait(after=before.version, told=before.news, timeout_s=PATIENCE_S)
    assert state.version == before.version
    (row,) = state.fresh
    told = {name: row[name]["texts"][0] for name in ("experiment", "file", "verdict")}
    assert told == {"experiment": "today", "file": Path(later).name, "verdict": "PASS"}
    (k_per_s,) = row["k_per_s"]
    trace = lab.trace("today", told["file"], 1)
    assert trace
    state = lab.wait(after=before.version, told=state.news, timeout_s=PATIENCE_S)
    assert (state.version, state.fresh) == (before.version + 1, ())
    assert f"{k_per_s:.11g}" in lab.page
    assert lab.trace("today", told["file"], 1) == trace
    assert lab.trace("elsewhere", told["file"], 1) is None
    lab.stop()
    follower.join(PATIENCE_S)


def test_shots_that_come_while_the_lab_is_done_are_told(few_shots, tmp_path, monkeypatch):
    """Two of them one after the other; one that vanishes again is no longer told."""
    today = few_shots / "today"
    one, other = (shutil.move(path, tmp_path) for path in sorted(today.glob("*.bka"))[:2])
    lab = FollowedLab(few_shots, work=tmp_path / "work", settings=IngestSettings())
    follower = Thread(target=lab.follow, daemon=True)
    follower.start()
    before = lab.wait(after=0, told=0, timeout_s=PATIENCE_S)
    held, begun = Event(), Event()

    def ingest_later(*args: object, **options: object) -> Dataset:
        begun.set()
        held.wait(PATIENCE_S)
        return ingest(*args, **options)

    monkeypatch.setattr(follow, "ingest", ingest_later)
    shutil.copy(one, today)
    assert begun.wait(PATIENCE_S)
    told = lab.wait(after=before.version, told=before.news, timeout_s=PATIENCE_S)
    shutil.copy(other, today)
    told = lab.wait(after=before.version, told=told.news, timeout_s=PATIENCE_S)
    names = [row["file"]["texts"] for row in told.fresh]
    assert names == [[Path(one).name], [Path(other).name]]
    (today / Path(other).name).unlink()
    held.set()
    state = lab.wait(after=before.version, told=told.news, timeout_s=PATIENCE_S)
    assert (state.version, state.fresh) == (before.version + 1, ())
    lab.stop()
    follower.join(PATIENCE_S)


NEW_POINTS = """() => {
  const { lab, placeShot } = stopflow;
  const placesOf = (shot) => lab.plots.flatMap((plot) => {
    const found = placeShot(plot, lab.conditions, shot);
    return found ? [[plot.title, found.x / plot.factor, found.y]] : [];
  });
  return lab.shots.filter(({ fresh }) => fresh).map((shot) => [shot.file, placesOf(shot)]);
}"""


def test_a_new_shot_is_looked_at_before_the_page_has_it(
    browser, simulated, ingested, tmp_path, monkeypatch
):
    """Row, trace, fit and place in the plot, of a known condition and of a new one."""
    shots = load_dataset(ingested / "data" / "ingested").shots
    titration = shots[shots["experiment"] == shots["experiment"].iloc[0]]
    middle = titration["concentration_M"].drop_duplicates().sort_values().iloc[3]
    left_out = titration[titration["concentration_M"] == middle]["file"].tolist()
    again = titration[titration["concentration_M"] > middle].iloc[0]
    lab_folder, aside = tmp_path / "lab", tmp_path / "aside"
    shutil.copytree(simulated, lab_folder)
    aside.mkdir()
    today = lab_folder / titration["experiment"].iloc[0]
    for file in (*left_out, again["file"]):
        shutil.move(today / file, aside)
    lab = FollowedLab(lab_folder, work=tmp_path / "work", settings=IngestSettings())
    follower = Thread(target=lab.follow, daemon=True)
    follower.start()
    lab.wait(after=0, told=0, timeout_s=PATIENCE_S)
    held = Event()

    def ingest_later(*args: object, **options: object) -> Dataset:
        held.wait(PATIENCE_S)
        return ingest(*args, **options)

    monkeypatch.setattr(follow, "ingest", ingest_later)
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_S * 1000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    with serving(lab, port=0) as address:
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        count = page.evaluate("stopflow.lab.shots.length")
        for number, file in enumerate((left_out[0], again["file"])):
            shutil.copy(aside / file, today)
            page.locator("#trace-title", has_text=file).wait_for()
            page.locator("#shots tbody tr").nth(number).get_by_text(file).wait_for()
            page.wait_for_function(
                "(file) => { const { lab, refits } = stopflow;"
                " const shot = lab.shots.find((one) => one.file === file);"
                " return Math.abs(refits.baseline(shot)?.k / shot.k_per_s - 1) < 1e-9; }",
                arg=file,
            )
        found = dict(page.evaluate(NEW_POINTS))
        version = page.evaluate("stopflow.lab.live.version")
        drawn = page.locator("#plots canvas[aria-label*='2 new shots.']").count()
        held.set()
        page.wait_for_function(f"() => globalThis.stopflow?.lab.live.version > {version}")
        page.wait_for_selector("html[data-ready]")
        page.locator("#trace-title", has_text=again["file"]).wait_for()
        assert page.evaluate("stopflow.lab.shots.length") == count + 2
        assert page.evaluate(NEW_POINTS) == []
    context.close()
    lab.stop()
    follower.join(PATIENCE_S)
    assert faults == []
    assert version == 1
    assert drawn == 1
    for file, (point,) in found.items():
        shot = titration[titration["file"] == file].iloc[0]
        assert point[1] == pytest.approx(shot["concentration_M"], rel=1e-6)
        assert point[2] == pytest.approx(shot["k_per_s"], rel=1e-2)


def test_what_is_decided_while_the_lab_is_done_is_in_the_next_page(
    few_shots, tmp_path, monkeypatch
):
    """A page made from the decisions before would take back what its reader sees."""
    today, made = few_shots / "today", list[str]()
    later = shutil.move(min(today.glob("*.bka")), tmp_path)
    file = min(path.name for path in today.glob("*.bka"))
    lab = FollowedLab(few_shots, work=tmp_path / "work", settings=IngestSettings())
    follower = Thread(target=lab.follow, daemon=True)
    follower.start()
    before = lab.wait(after=0, told=0, timeout_s=PATIENCE_S)

    def ingest_then_decide(*args: object, **options: object) -> Dataset:
        found = ingest(*args, **options)
        if not made:
            text = HEADER + f"{file},1,no,,,,bubble\n"
            made.extend(map(str, lab.decide(Sent(by="a", version=1, texts={"today": text}))))
        return found

    monkeypatch.setattr(follow, "ingest", ingest_then_decide)
    shutil.copy(later, today)
    state = lab.wait(after=before.version, told=before.news, timeout_s=PATIENCE_S)
    while state.version == before.version:
        state = lab.wait(after=before.version, told=state.news, timeout_s=PATIENCE_S)
    assert made == [str(today / "decisions.csv")]
    assert (state.version, state.by) == (before.version + 1, "")
    assert "bubble" in lab.page
    lab.stop()
    follower.join(PATIENCE_S)


def test_a_page_does_not_write_over_the_decisions_of_another(browser, serve, few_shots):
    """The second of two is shown anew, and adds what it has to what it did not know."""
    served = serve(few_shots)
    served.state(after=0)
    today, pages = few_shots / "today", []
    contexts = [browser.new_context(reduced_motion="reduce") for _ in range(2)]
    for context in contexts:
        context.set_default_timeout(PATIENCE_S * 1000)
        page = context.new_page()
        page.goto(served.address)
        page.wait_for_selector("html[data-ready]")
        pages.append(page)
    (today / "decisions.csv").write_text(HEADER + "all.bka,,,,90 ms,,by hand\n", "utf-8")
    for page, row in zip(pages, (0, 2), strict=True):
        page.locator("#shots tbody tr").nth(row).get_by_role("button").first.click()
        page.get_by_label("Reason").fill(f"of shot {row}")
        page.get_by_label("use this shot in means and plots").uncheck()
    written, until = "", monotonic() + PATIENCE_S
    while not all(text in written for text in ("of shot 0", "of shot 2")) and monotonic() < until:
        pages[0].wait_for_timeout(100)
        written = (today / "decisions.csv").read_text("utf-8")
    lines = written.splitlines()
    assert lines[1] == "all.bka,,,,0.09 s,,by hand"
    assert sorted(line.split(",", 6)[-1] for line in lines[2:]) == ["of shot 0", "of shot 2"]
    for context in contexts:
        context.close()


def test_a_file_that_is_written_slowly_counts_when_it_is_quiet(tmp_path):
    """Others do not wait for it, and one that is gone is forgotten."""
    growing, still = tmp_path / "a.bka", tmp_path / "day" / "b.bka"
    still.parent.mkdir()
    (still.parent / "again").symlink_to(tmp_path, target_is_directory=True)
    growing.write_text("1")
    still.write_text("1")
    watch = Watch(tmp_path)
    watch.look(0.0)
    assert set(watch.signature) == {growing, still}
    growing.write_text("12")
    watch.look(QUIET_S)
    assert watch.quiet([growing, still], QUIET_S) == [still]
    assert not watch.is_quiet(QUIET_S)
    still.unlink()
    watch.look(2 * QUIET_S)
    assert watch.quiet(watch.signature, 2 * QUIET_S) == [growing]
    assert not watch.is_quiet(2 * QUIET_S)
    assert watch.is_quiet(3 * QUIET_S)


def test_only_this_machine_is_listened_to(serve, tmp_path):
    (tmp_path / "empty").mkdir()
    served = serve(tmp_path / "empty")
    assert "Waiting for traces" in served.text()
    parts = urlsplit(served.address)
    assert parts.hostname == "127.0.0.1"
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", parts.port))


def test_ctrl_c_ends_it_without_a_complaint(serve, few_shots):
    served = serve(few_shots)
    served.state(after=0)
    with socket.create_connection(("127.0.0.1", urlsplit(served.address).port)) as gone:
        gone.sendall(b"GET / HT")
    served.process.send_signal(signal.SIGINT)
    said, complained = served.process.communicate(timeout=30)
    assert served.process.returncode == 0
    assert "ended" in said
    assert complained == ""


def test_a_port_in_use_is_said(run, tmp_path):
    (tmp_path / "lab").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, said = run("serve", "lab", "--port", str(port), "--no-open")
    assert code == 2
    assert str(port) in said
    assert "--port 0" in said


def test_a_page_that_nobody_could_find_is_refused(run, tmp_path):
    (tmp_path / "lab").mkdir()
    code, _, said = run("serve", "lab", "--port", "0", "--no-open", "--quiet")
    assert code == 2
    assert "nobody would learn the address" in said


def test_a_folder_that_is_not_there_is_said(run):
    code, _, said = run("serve", "nowhere", "--no-open")
    assert code == 2
    assert "nowhere" in said


def test_the_page_follows_and_writes_by_itself(browser, serve, few_shots, tmp_path):
    """From an empty folder to a new shot and a decision that is in the file."""
    today, aside = few_shots / "today", tmp_path / "aside"
    today.rename(aside)
    served = serve(few_shots)
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_S * 1000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(served.address)
    page.get_by_role("heading", name="Waiting for traces").wait_for()
    shutil.copytree(aside, today)
    rows = page.locator("#shots tbody tr")
    rows.nth(5).wait_for()

    rows.first.get_by_role("button").first.click()
    page.locator("#trace-title", has_text=".bka").wait_for()
    name = page.locator("#trace-title").inner_text()
    page.get_by_role("slider", name="Start of the fit").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#save-note", has_text="Saved in decisions.csv of today").wait_for()
    start = page.evaluate("[...stopflow.edits.current.values()][0].startS")
    written = (today / "decisions.csv").read_text("utf-8")
    assert f"{name},1,yes,{start!r} s," in written
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.post_data else None)
    page.wait_for_timeout(1500)
    assert sent == []

    later = min(tmp_path.glob("*.bka"))
    shutil.copyfile(later, today / later.name)
    page.locator("#save-note", has_text=f"1 new shot: {later.name}: k = ").wait_for()
    page.wait_for_function(
        "() => { const shots = globalThis.stopflow?.lab.shots ?? [];"
        " return shots.length === 7 && !shots.some(({ fresh }) => fresh); }"
    )
    assert rows.count() == 7
    page.locator("#trace-title", has_text=name).wait_for()
    found = page.evaluate(
        "(name) => { const s = stopflow.lab.shots.find((s) => s.file === name);"
        " return [s.start_s, s.start_source]; }",
        name,
    )
    assert found == [start, "decision"]
    context.close()
    assert served.process.poll() is None
    assert "stopflow" in served.text()
    assert faults == []
