"""HTTP for one reader: bound to this machine, below a path that only the reader knows.

=======  =================  ==========================================================
GET      /SECRET/           the page
GET      /SECRET/state      a `State`, once its version is not ``?after=VERSION`` or its news are
                            not ``&told=NEWS``
GET      /SECRET/trace      the packed trace of ``?experiment=...&file=...&channel=...``
POST     /SECRET/decisions  a `Sent`: ``{"by", "version", "texts": {"EXPERIMENT": "text", ...}}``
=======  =================  ==========================================================

A web page from elsewhere can send requests here, but it does not know SECRET; the host named in a
request must be this machine (another name that leads here is a rebound one), and what is posted
must be JSON from this page's own origin.
"""

import errno
import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import cast
from urllib.parse import parse_qs, urlsplit

from stopflow.errors import StopflowError
from stopflow.pipeline.serve.decided import DecidedElsewhereError, Sent
from stopflow.pipeline.serve.follow import FollowedLab

HOST = "127.0.0.1"
LONGEST_WAIT_S = 20.0
LARGEST_POST = 8_000_000
IDLE_S = 60.0


class _Server(ThreadingHTTPServer):
    """The HTTP server and what its handlers need."""

    daemon_threads = True
    # A port that another program listens on is refused everywhere.
    allow_reuse_port = False

    def __init__(self, lab: FollowedLab, *, port: int) -> None:
        self.lab, self.secret = lab, secrets.token_urlsafe(18)
        super().__init__((HOST, port), _Handler)

    @property
    def names(self) -> tuple[str, ...]:
        """Hosts by which this server may be called."""
        return tuple(f"{host}:{self.server_port}" for host in (HOST, "localhost"))


@contextmanager
def serving(lab: FollowedLab, *, port: int) -> Iterator[str]:
    """Serve in a thread; yields the address to open.

    Raises
    ------
    StopflowError
        When the port is taken.
    """
    try:
        server = _Server(lab, port=port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise StopflowError(
            f"port {port} of {HOST} cannot be used ({error.strerror}): another program listens "
            "there; choose another with --port, or any free one with --port 0"
        ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/{server.secret}/"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection; a reader that has gone away is no fault."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server_version = "stopflow"
    sys_version = ""

    def do_GET(self) -> None:
        """Send the page or the state."""
        place = self._place()
        if place == "":
            self._send(HTTPStatus.OK, self._lab.page, kind="text/html")
        elif place == "state":
            after, told = self._number("after", unknown=-1), self._number("told", unknown=0)
            self._send_json(
                asdict(self._lab.wait(after=after, told=told, timeout_s=LONGEST_WAIT_S))
            )
        elif place == "trace":
            self._send_trace()
        elif place is not None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _send_trace(self) -> None:
        experiment, file = self._asked("experiment"), self._asked("file")
        packed = self._lab.trace(experiment, file, self._number("channel", unknown=0))
        if packed is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such trace")
        else:
            self._send(HTTPStatus.OK, packed, kind="text/plain")

    def _asked(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def _number(self, name: str, *, unknown: int) -> int:
        asked = self._asked(name)
        return int(asked) if asked.isdecimal() and len(asked) < 12 else unknown

    def do_POST(self) -> None:
        """Write decisions."""
        place = self._place()
        if place is None:
            return
        own = tuple(f"http://{name}" for name in self._server.names)
        if place != "decisions":
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        elif self.headers.get("Origin", own[0]) not in own:
            self._refuse(HTTPStatus.FORBIDDEN, "decisions are taken from this page only")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "decisions come as JSON")
        else:
            self._decide()

    def _decide(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_POST:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_POST} bytes are taken"
            )
            return
        try:
            written = self._lab.decide(_parse_sent(self.rfile.read(int(length))))
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"the decisions cannot be read: {error}")
        except DecidedElsewhereError as error:
            self._refuse(HTTPStatus.CONFLICT, str(error))
        except StopflowError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"nothing was written: {error}")
        else:
            self._send_json({"written": [str(path) for path in written]})

    @property
    def _server(self) -> _Server:
        return cast("_Server", self.server)

    @property
    def _lab(self) -> FollowedLab:
        return self._server.lab

    def _place(self) -> str | None:
        """Return what is asked for below the secret path; None after a refusal."""
        if self.headers.get("Host", "") not in self._server.names:
            self._refuse(HTTPStatus.FORBIDDEN, "this server answers to its own address only")
            return None
        secret, _, place = urlsplit(self.path).path.removeprefix("/").partition("/")
        if not hmac.compare_digest(secret.encode(), self._server.secret.encode()):
            self._refuse(
                HTTPStatus.FORBIDDEN, "open the address that stopflow serve printed, all of it"
            )
            return None
        return place

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self._send(status, why + "\n", kind="text/plain")

    def _send_json(self, value: object) -> None:
        self._send(HTTPStatus.OK, json.dumps(value), kind="application/json")

    def _send(self, status: HTTPStatus, text: str, *, kind: str) -> None:
        body = text.encode("utf-8", "surrogatepass")
        try:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for what the folder holds."""


def _parse_sent(body: bytes) -> Sent:
    found = json.loads(body)
    by, version, texts = (
        (found.get("by"), found.get("version"), found.get("texts"))
        if isinstance(found, dict)
        else (None, None, None)
    )
    if not isinstance(by, str) or not isinstance(version, int) or not isinstance(texts, dict):
        raise ValueError("not the name of a page, what it shows, and a table of texts")
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("not a table of texts")
    return Sent(by=by, version=version, texts=texts)


_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
