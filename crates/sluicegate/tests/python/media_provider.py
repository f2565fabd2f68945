"""A simulated provider of images, sound and moderations, in OpenAI's form."""

import email.parser
import email.policy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

IMAGES = {
    *("model", "prompt", "n", "size", "quality", "background", "output_format", "stream"),
    *("partial_images", "user", "moderation", "output_compression"),
}
SPEECH = {"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"}
TRANSCRIPTION = {
    *("file", "model", "language", "prompt", "response_format", "temperature", "stream"),
    *("include[]", "timestamp_granularities[]", "chunking_strategy"),
}
PIXEL = "iVBORw0KGgo="
SOUND = bytes(range(256)) * 40
USAGE = {"input_tokens": 50, "output_tokens": 100, "total_tokens": 150}


class Refused(Exception):
    def __init__(self, status: int, message: str, param=None):
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
        super().__init__(message)
        self.status, self.body = status, {"error": error}


def form(headers, raw: bytes) -> dict:
    """The fields of a form; a file as its name, type and bytes."""
    head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
    fields = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        filename = part.get_filename()
        fields[name] = (filename, content) if filename else content.decode()
    return fields


def check(body: dict, known: set, must: set) -> None:
    for name in sorted(must - body.keys()):
        raise Refused(400, f"Missing required parameter: '{name}'.", name)
    for name in sorted(body.keys() - known):
        raise Refused(400, f"Unknown parameter: '{name}'.", name)


class MediaProvider:
    """A server on a free port."""

    def __init__(self):
        self.taken: list[SimpleNamespace] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def last(self) -> SimpleNamespace:
        return self.taken[-1]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, path: str, body: dict):
        """A document, bytes with their type, or a list of events."""
        match path:
            case "/v1/images/generations":
                check(body, IMAGES, {"prompt", "model"})
                return self.images(body, "image_generation")
            case "/v1/images/edits":
                check(body, IMAGES | {"image", "image[]", "mask"}, {"prompt", "model"})
                return self.images(body, "image_edit")
            case "/v1/audio/speech":
                check(body, SPEECH, {"model", "input", "voice"})
                return ("audio/mpeg", SOUND)
            case "/v1/audio/transcriptions" | "/v1/audio/translations":
                check(body, TRANSCRIPTION, {"model", "file"})
                return self.transcript(body)
            case "/v1/moderations":
                check(body, {"model", "input"}, {"input"})
                result = {"flagged": False, "categories": {}, "category_scores": {}}
                result["category_applied_input_types"] = {}
                return {"id": "modr-1", "model": body["model"], "results": [result]}
        raise Refused(404, f"Invalid URL (POST {path})")

    @staticmethod
    def images(body: dict, kind: str):
        if body.get("stream") in (True, "true"):
            part = {"type": f"{kind}.partial_image", "b64_json": PIXEL, "partial_image_index": 0}
            done = {"type": f"{kind}.completed", "b64_json": PIXEL, "usage": USAGE}
            return [part, part, done]
        data = [{"b64_json": PIXEL}] * int(body.get("n", 1))
        return {"created": 1_764_000_000, "data": data, "usage": USAGE}

    @staticmethod
    def transcript(body: dict):
        if body.get("stream") == "true":
            deltas = [{"type": "transcript.text.delta", "delta": word} for word in ("So ", "be it.")]
            usage = {"type": "tokens", **USAGE}
            return [*deltas, {"type": "transcript.text.done", "text": "So be it.", "usage": usage}]
        if body.get("response_format") in ("text", "srt", "vtt"):
            return ("text/plain; charset=utf-8", b"So be it.\n")
        return {"text": "So be it.", "usage": {"type": "tokens", **USAGE}}

    def _handler(provider):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                is_form = self.headers["content-type"].startswith("multipart/form-data")
                body = form(self.headers, raw) if is_form else json.loads(raw)
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    answer = provider.answer(self.path.split("?")[0], body)
                except Refused as refused:
                    self.whole(refused.status, "application/json", json.dumps(refused.body).encode())
                    return
                taken = {"path": self.path, "headers": headers, "body": body, "raw": raw}
                provider.taken.append(SimpleNamespace(**taken))
                if isinstance(answer, list):
                    events = "".join(
                        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in answer
                    )
                    self.whole(200, "text/event-stream", events.encode())
                elif isinstance(answer, tuple):
                    self.whole(200, *answer)
                else:
                    self.whole(200, "application/json", json.dumps(answer).encode())

            def whole(self, status: int, kind: str, raw: bytes):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *arguments):
                pass

        return Handler
