"""A small OpenAI-compatible endpoint over real HTTP, well behaved or not."""

import base64
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]


@dataclass
class Reply:
    """What is sent: `text` in a proper body, or `body` as it is."""

    text: str = ""
    status: int = 200
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    finish_reason: str = "stop"


Behavior = Callable[[int, Request], Reply]
"""(number of the request from 0 on, request) -> reply."""


def sensible(number: int, request: Request) -> Reply:
    """A right answer to each of the package's prompts."""
    return Reply(answer(prompt_of(request)))


def prompt_of(request: Request) -> str:
    return request["messages"][0]["content"][0]["text"]


def pictures_of(request: Request) -> list[bytes]:
    parts = request["messages"][0]["content"][1:]
    return [base64.b64decode(part["image_url"]["url"].split(",", 1)[1]) for part in parts]


def answer(prompt: str) -> str:
    if '"right"' in prompt:
        return json.dumps({"right": True, "reason": "It is one."})
    box = re.search(r"x, y = ([\d.]+), ([\d.]+) and is\s+([\d.]+) wide", prompt)
    if box:
        # alike masks get alike names, and names differ between masks of other sizes
        size = ["tiny", "little", "middling", "big"][min(3, int(float(box[3]) * 8))]
        caption = f"A {size} gadget stands in the scene. Its edge is {box[1]} of something, {box[2]} of another."
        return json.dumps({"label": "gadget", "caption": caption, "confidence": 0.9})
    items = re.findall(r"^(\d+)\. (\S[^(\n]*) \(", prompt, re.MULTILINE)
    told = ", ".join(f"<{number}>a {label}</{number}>" for number, label in items)
    return json.dumps({"caption": f"Here we see {told}, as one would expect."})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has given up is no error here."""


class Endpoint:
    """A running server; `requests` holds what came, `statuses` what was answered, `most` the most at once.

    `busy_s`: of all calls, from when all of it was there until it was answered. A GET tells it, and how many calls and
    bytes there were. `keep`: the requests.
    """

    def __init__(self, behavior: Behavior, port: int = 0, keep: bool = True) -> None:
        self.behavior, self.keep = behavior, keep
        self.num_requests, self.num_bytes, self.busy_s = 0, 0, 0.0
        self.requests: list[Request] = []
        self.statuses: Counter[int] = Counter()
        self.most = self._now = 0
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:  # noqa: N802
                assert self.path == "/v1/chat/completions"
                content = self.rfile.read(int(self.headers["Content-Length"]))
                started = time.perf_counter()
                request = json.loads(content)
                with endpoint.lock:
                    number = endpoint.num_requests
                    endpoint.num_requests += 1
                    endpoint.num_bytes += len(content)
                    if endpoint.keep:
                        endpoint.requests.append(request)
                    endpoint._now += 1
                    endpoint.most = max(endpoint.most, endpoint._now)
                reply = endpoint.behavior(number, request)
                time.sleep(reply.delay_s)
                with endpoint.lock:
                    endpoint._now -= 1
                    endpoint.statuses[reply.status] += 1
                body = reply.body if reply.body is not None else endpoint.body(reply, request)
                try:
                    self._send(reply.status, {"Content-Type": "application/json", **reply.headers}, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                with endpoint.lock:
                    endpoint.busy_s += time.perf_counter() - started

            def do_GET(self) -> None:  # noqa: N802
                with endpoint.lock:
                    busy = {"calls": endpoint.num_requests, "bytes": endpoint.num_bytes, "seconds": endpoint.busy_s}
                self._send(200, {"Content-Type": "application/json"}, json.dumps(busy).encode())

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    @staticmethod
    def body(reply: Reply, request: Request) -> bytes:
        if reply.status != 200:
            return json.dumps({"error": {"message": f"status {reply.status}", "type": "error"}}).encode()
        message = {"role": "assistant", "content": reply.text}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        value = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [choice],
            "usage": usage,
        }
        return json.dumps(value).encode()


@contextmanager
def serving(behavior: Behavior = sensible) -> Iterator[Endpoint]:
    """The endpoint while the block lasts."""
    endpoint = Endpoint(behavior)
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.server.shutdown()
        endpoint.server.server_close()


if __name__ == "__main__":
    # for benchmarks: PORT, seconds a call
    delay_s = float(sys.argv[2])
    slow = Endpoint(lambda n, r: Reply(sensible(n, r).text, delay_s=delay_s), int(sys.argv[1]), keep=False)
    slow.server.serve_forever()
