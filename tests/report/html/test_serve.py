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
from threading import Thread
from time import monotonic
from urllib.parse import urlsplit

import pytest
from cli_lab import own_environment

from stopflow.pipeline.lab.ingest import IngestSettings
from stopflow.pipeline.serve.follow import FollowedLab

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

    def post(self, texts: object, **headers: str) -> int:
        request = urllib.request.Request(
            self.address + "decisions",
            data=json.dumps(texts).encode(),
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

    # Decisions are written into the folder, whole, and do not announce a new shot.
    text = HEADER + f"{file},1,no,,,,bubble\n"
    assert served.post({"today": text}) == 200
    assert (today / "decisions.csv").read_text("utf-8") == text

    # Everything else is refused, and writes nothing.
    parts = urlsplit(served.address)
    assert served.post({"today": HEADER}, Origin="http://example.org") == 403
    assert served.post({"today": HEADER}, **{"Content-Type": "text/plain"}) == 415
    assert served.post({"tomorrow": HEADER}) == 400
    assert served.post({"../today": HEADER}) == 400
    assert served.post({"today": HEADER + "x,1,perhaps,,,,\n"}) == 400
    assert served.post(["today"]) == 400
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
    version = lab.wait(after=0, told=0, timeout_s=PATIENCE_S).version
    shutil.copy(later, today)
    state = lab.wait(after=version, told=0, timeout_s=PATIENCE_S)
    assert state.version == version
    (shot,) = state.fresh
    assert (shot.experiment, shot.file) == ("today", Path(later).name)
    assert shot.k is not None
    state = lab.wait(after=version, told=1, timeout_s=PATIENCE_S)
    assert (state.version, state.fresh) == (version + 1, ())
    assert f"{shot.k:.11g}" in lab.page
    assert lab.trace(shot.experiment, shot.file, 1)
    assert lab.trace("elsewhere", shot.file, 1) is None
    lab.stop()
    follower.join(PATIENCE_S)


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

    later = min(tmp_path.glob("*.bka"))
    shutil.copyfile(later, today / later.name)
    page.locator("#save-note", has_text=f"1 new shot: {later.name}: k = ").wait_for()
    rows.nth(6).wait_for()
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
