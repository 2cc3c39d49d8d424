"""The command serve: the live page beside an instrument."""

import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated, Any

import typer

from stopflow.cli.analysis_options import ANALYSIS, compose_settings
from stopflow.cli.gather import gathers
from stopflow.cli.voice import Voice, speaks_plainly

Folder = Annotated[
    Path, typer.Argument(help="The folder that the instrument saves into, or one above it.")
]


app = typer.Typer()


@app.command(epilog="Example: stopflow serve lab/today")
@gathers("analysis", ANALYSIS)
@speaks_plainly
def serve(
    folder: Folder,
    *,
    analysis: dict[str, Any],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of 127.0.0.1; 0: any free one.")
    ] = 8765,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Show the page in the browser.")
    ] = True,
    voice: Voice,
) -> None:
    """Show FOLDER as a live page: new shots appear fitted, decisions are written as they are made.

    Only this machine can reach the page, and only by the address printed.
    The folder gets a decisions.csv for each experiment with a decision, and
    nothing else. Ctrl-C ends it.
    """
    from stopflow.errors import StopflowError
    from stopflow.pipeline.serve.follow import FollowedLab
    from stopflow.pipeline.serve.server import serving

    if not folder.is_dir():
        raise StopflowError(f"{folder} is not a folder; give the one that the traces are saved in")
    if voice.quiet and not open_:
        raise StopflowError(
            "with --quiet and --no-open nobody would learn the address of the page; leave one of "
            "them out"
        )
    settings = compose_settings(**analysis)
    with tempfile.TemporaryDirectory(prefix="stopflow-") as work, _asked_to_end() as ended:
        lab = FollowedLab(folder, work=Path(work), settings=settings)
        with serving(lab, port=port) as address, ThreadPoolExecutor(1) as beside:
            following = beside.submit(lab.follow)
            voice.say(f"{folder} is shown at {address}\nCtrl-C ends it")
            if open_:
                typer.launch(address)
            while not following.done() and not ended.wait(0.5):
                pass
            lab.stop()
            following.result()
    voice.say("ended; the decisions are in decisions.csv beside the traces")


@contextmanager
def _asked_to_end() -> Iterator[Event]:
    """Yield what is set by Ctrl-C or a request to end, the usual ways to leave this command."""
    ended = Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
