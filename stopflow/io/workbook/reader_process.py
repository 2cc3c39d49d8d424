"""The process in which workbooks are read: it may hang, crash or fill its memory, and is ended.

The readers of workbook formats run native code on bytes that may be damaged. They get a process of
their own, which is started at the first workbook, serves all workbooks of a run, and is started
anew after it had to be ended. Requests and answers are frames: eight bytes of length, then the
content. Answers are JSON, so that nothing the process sends is ever executed.
"""

import json
import signal
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from typing import IO

from stopflow.errors import FormatError
from stopflow.io.workbook.cells import Grid

MOST_SECONDS = 10.0
"""Processor time in which a workbook must be read; usual ones take some 10 ms."""
WAITING = 3.0
"""Times that longer the answer is waited for: other programs may keep the processor."""
MOST_MEMORY_BYTES = 1_000_000_000
"""Memory that the process may take in addition to its own, where the system limits it."""

EXPECTED = "a workbook or CSV"
"""What a file in the place of a workbook should be, for messages."""

_LENGTH_BYTES = 8
_OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0) or None
_STARTING_SECONDS = 60.0
_READY = b"ready"
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from stopflow.io.workbook.reader_loop import serve; "
    "serve(seconds=float(sys.argv[1]), memory_bytes=int(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What reading one workbook may take."""

    seconds: float = MOST_SECONDS
    memory_bytes: int = MOST_MEMORY_BYTES


class ReaderProcess:
    """A process that reads one workbook after the other; safe to share between threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize | None = None
        self._is_ready = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process, if there is none, without waiting until it is ready."""
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self._process is None:
            words = [str(self._limits.seconds), str(self._limits.memory_bytes), *sys.path]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            # It ends with this object, at the latest with this program.
            self._ending = weakref.finalize(self, _end_process, self._process)
            self._is_ready = False

    def read(self, data: bytes, *, book: str) -> list[Grid]:
        """Return the sheets of a workbook.

        Raises
        ------
        FormatError
            When the workbook cannot be read, takes too long, or ends the process.
        """
        with self._lock:
            try:
                answer = self._ask(data, book=book)
            except BaseException:
                self._end()
                raise
        content = json.loads(answer)
        if "found" in content:
            raise FormatError(book, **content)
        return [Grid(**sheet) for sheet in content["sheets"]]

    def end(self) -> None:
        """End the process; the next workbook starts another."""
        with self._lock:
            self._end()

    def _ask(self, data: bytes, *, book: str) -> bytes:
        self._start()
        if not self._is_ready:
            if self._receive(_STARTING_SECONDS)[0] != _READY:
                raise FormatError(
                    book,
                    found="a workbook, but the process that reads workbooks does not start",
                    expected="a Python that can start itself; as CSV it can be read without",
                )
            self._is_ready = True
        answer, is_late = self._receive(WAITING * self._limits.seconds, frame=data)
        if answer is not None:
            return answer
        code = self._process.wait() if self._process else 0
        found = "a workbook that ends the program which reads it (it is damaged, or needs too much "
        found += f"memory; exit code {code})"
        if is_late or code == _OUT_OF_TIME:
            found = f"a workbook that is not read after {self._limits.seconds:g} s"
        raise FormatError(book, found=found, expected=f"{EXPECTED}; open it and save it anew")

    def _receive(self, seconds: float, *, frame: bytes | None = None) -> tuple[bytes | None, bool]:
        """Send a frame, if any, and return the answer, None when there is none in time.

        The second value tells whether time had run out.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None, False
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            if frame is not None:
                send_frame(process.stdin, frame)
            return receive_frame(process.stdout), late.is_set()
        except OSError:
            return None, late.is_set()
        finally:
            timer.cancel()

    def _end(self) -> None:
        if self._ending is not None:
            self._ending()
        self._process = self._ending = None


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process and close its pipes."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            _close(stream)
    process.wait()


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return


def send_frame(stream: IO[bytes], content: bytes) -> None:
    """Write a frame."""
    stream.write(len(content).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(content)
    stream.flush()


def receive_frame(stream: IO[bytes]) -> bytes | None:
    """Read a frame; None when the stream has ended."""
    head = stream.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "big")
    content = stream.read(length)
    return content if len(content) == length else None


READER = ReaderProcess()
"""The process of this run."""
