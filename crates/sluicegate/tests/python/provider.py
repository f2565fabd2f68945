"""What the simulated providers have in common: a server that answers what a script says, if the
request is one that the provider takes.

The script is named by the user: the last text that says `play NAME` decides. So a test says all
that matters in the request, and tests can share a provider.
"""

import base64
import binascii
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace


class Refused(Exception):
    """A request that the provider does not take; the exception is its answer."""

    def __init__(self, status: int, body: dict, **headers: str):
        super().__init__(body)
        self.status = status
        self.body = body
        self.headers = headers


# What the script `cited` cites in the text of every provider: words, where they come from, the title
# of that and what stands there.
DNIESTER = ("the Dniester", "https://rivers.example/dniester", "Dniester", "It is 1,362 km long.")
OTHERS = ("încă trei 🌊", "https://rivers.example/others", "Others", "There are three more.")
SOURCES = (DNIESTER, OTHERS)


def cut(text: str) -> "list[tuple[str, tuple | None]]":
    """The pieces of the text, each with its source, if it has one."""
    cuts = []
    for source in SOURCES:
        before, words, text = text.partition(source[0])
        cuts += [(before, None), (words, source)]
    return [*cuts, (text, None)]


# In a stream: the connection is closed, as if the server had died.
BREAK = object()


class Server(ThreadingHTTPServer):
    """With room for a burst of connections: one that finds none is tried again after a second."""

    request_queue_size = 128
    daemon_threads = True


class Provider:
    """A server on a free port. `PATH` is where it is asked; `answer` decides. Among the headers, `:path`
    is the path without its query, which is `:query`."""

    PATH: str
    STREAM_TYPE = "text/event-stream; charset=utf-8"

    def __init__(self):
        # Bytes that are written at once, for tests that want events cut or joined; `None`: an event.
        self.piece: "int | None" = None
        # What was taken, for tests that want to see what has come of their request.
        self.taken: list[SimpleNamespace] = []
        self.server = Server(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def last(self) -> SimpleNamespace:
        """The last request that was taken: its `body` and `headers`, the `raw` bytes of the body, and
        those that were `sent` back."""
        return self.taken[-1]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def serves(self, path: str) -> bool:
        return path == self.PATH

    def answer(self, headers: dict[str, str], body: dict):
        """The whole answer, or a list of events, each as it is written, whose `content_type` may be
        another than that of the provider's streams."""
        raise NotImplementedError

    def not_found(self, path: str) -> Refused:
        raise NotImplementedError

    def not_json(self) -> Refused:
        raise NotImplementedError

    def _handler(provider):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                headers[":path"], _, headers[":query"] = self.path.partition("?")
                try:
                    if not provider.serves(headers[":path"]):
                        raise provider.not_found(self.path)
                    try:
                        body = json.loads(raw)
                    except ValueError:
                        raise provider.not_json() from None
                    answer = provider.answer(headers, body)
                except Refused as refused:
                    self.whole(refused.status, refused.body, refused.headers)
                    return
                taken = SimpleNamespace(path=self.path, headers=headers, body=body, raw=raw)
                taken.sent = b"".join(written(answer))
                provider.taken.append(taken)
                if isinstance(answer, list):
                    self.stream(answer)
                else:
                    self.whole(200, answer, {})

            def whole(self, status: int, body: dict, headers: dict[str, str]):
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(raw)

            def stream(self, events: list):
                self.send_response(200)
                kind = getattr(events, "content_type", provider.STREAM_TYPE)
                self.send_header("content-type", kind)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                whole = written(events)
                if provider.piece:
                    whole = split(b"".join(whole), provider.piece)
                for raw in whole:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
                    self.wfile.flush()
                if events and events[-1] is BREAK:
                    self.close_connection = True
                    return
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *arguments):
                pass

        return Handler


def written(answer: "dict | list") -> list[bytes]:
    """The bytes of an answer, or of its events."""
    if not isinstance(answer, list):
        return [json.dumps(answer).encode()]
    events = [event for event in answer if event is not BREAK]
    return [event if isinstance(event, bytes) else event.encode() for event in events]


def split(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def script(texts: list[str]) -> str:
    """The name in the last `play NAME`; `text` if nobody says which."""
    named = [name for text in texts for name in re.findall(r"\bplay ([\w-]+)", text)]
    return named[-1] if named else "text"


def pieces(text: str, size: int = 7) -> list[str]:
    """A text in the pieces that a stream has it in."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def is_base64(data) -> bool:
    try:
        return isinstance(data, str) and bool(base64.b64decode(data, validate=True))
    except binascii.Error:
        return False
