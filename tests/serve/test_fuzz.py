"""Whatever is sent, the server answers as its OpenAPI schema says, asks no one else, and reads no file."""

import base64
import io
import json
import random
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from mglmm.serve.pictures import data_url
from tests.serve.live import CHAT, PICTURE, Live, png, until

NUM_BODIES = 2000

# -- the schema -------------------------------------------------------------------------------------------------------

# what the schema calls a picture is one
schemathesis.openapi.format(
    "picture", st.builds(lambda w, h: data_url(png(w, h)), st.integers(1, 40), st.integers(1, 40))
)
CONFIG = SchemathesisConfig.from_dict(
    # a conversation has rules that a schema cannot say: one picture, turns, room in the context; models have names
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["200", "400", "404", "413"]},
            "negative_data_rejection": {"expected-statuses": ["400", "404", "413", "415", "422"]},
        }
    }
)


@pytest.fixture(scope="module")
def schema(tiny_live: Live) -> Any:
    return schemathesis.openapi.from_url(f"{tiny_live.url}/openapi.json", config=CONFIG)


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *((path, GenerationMode.POSITIVE) for path in ("/v1/models", "/v1/models/{model_id}", "/healthz", "/metrics")),
        *((CHAT, mode) for mode in GenerationMode),
    ],
)
def test_schema_is_kept(schema: Any, path: str, mode: GenerationMode) -> None:
    """Schemathesis' own checks of requests that keep the schema and of requests that break it."""
    operation = schema[path]["POST" if path == CHAT else "GET"]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=150 if path == CHAT else 10, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        case.call_and_validate()

    check()


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """A request that keeps all rules: every one must be answered."""
    text = st.sampled_from(["What is it?", "Segment the cat.", "é", "a\nb"])
    picture = draw(st.sampled_from([PICTURE, data_url(png(200, 3)), data_url(png(1, 1, "blue"))]))
    messages: list[dict[str, Any]] = [message(picture, draw(text))]
    for _ in range(draw(st.integers(0, 2))):
        answer = draw(st.sampled_from(["A cat.", "<p> a cat </p> [SEG] sits."]))
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": draw(text)}]
    if draw(st.booleans()):
        messages.insert(0, {"role": "system", "content": draw(text)})
    options: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "stream": st.booleans(),
                "stream_options": st.just({"include_usage": True}),
                "temperature": st.sampled_from([0, 0.0, None]),
                "max_tokens": st.integers(1, 10**20),
                "seed": st.integers(),
                "user": st.text(max_size=9),
                "response_format": st.sampled_from([{"type": "text"}, None, {"type": "json_object"}]),
            },
        )
    )
    return {"model": "tiny", "messages": messages, **options}


def test_every_conversation_is_answered(schema: Any) -> None:
    @given(conversations())
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    def check(body: dict[str, Any]) -> None:
        case = schema[CHAT]["POST"].Case(body=body, media_type="application/json")
        assert case.call_and_validate().status_code == 200

    check()


def test_schema_names_its_parts(tiny_live: Live) -> None:
    schema = tiny_live.http.get("/openapi.json").json()
    assert set(schema["paths"]) == {CHAT, "/v1/models", "/v1/models/{model_id}", "/healthz", "/metrics"}
    request = schema["components"]["schemas"]["ChatRequest"]
    assert request["additionalProperties"] is False and request["properties"]["model"]["enum"] == ["tiny"]
    assert {"ChatRequest", "Chunk", "Completion", "Grounding", "ErrorBody"} <= set(schema["components"]["schemas"])


# -- bodies -----------------------------------------------------------------------------------------------------------

URLS = (
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "/etc/passwd",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:22/",
    "http://[::1]:80/",
    "http://localhost/",
    "https://example.com/x.png",
    "http://0x7f000001/",
    "HTTP://2130706433/",
    "ftp://example.com/x",
    "gopher://127.0.0.1:25/",
    "data:image/png;base64,../../etc/passwd",
    "data:image/svg+xml;base64,PHN2Zz48aW1hZ2UgaHJlZj0iZmlsZTovLy9ldGMvcGFzc3dkIi8+PC9zdmc+",
    "data:text/html,<script>",
    "jar:file:///x!/",
    "\\\\server\\share\\x.png",
    "",
)


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 50_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A small PNG with a text of sixty megabytes, packed."""
    start = png()[:33]
    data = b"x\0\0" + zlib.compress(b"x" * 60_000_000)
    text = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return start + text + png()[33:]


def eps() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (9, 9)).save(content, "EPS")
    return content.getvalue()


BAD_FILES = (bomb(), text_bomb(), eps(), b"", b"\0" * 100, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" * 9)


def odd_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(12 if depth < 3 else 9)
    if kind == 9:
        return [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind >= 10:
        return {rng.choice(["role", "type", "content", "x", ""]): odd_value(rng, depth + 1) for _ in range(3)}
    odd: list[Any] = [None, True, -1, 10**30, 1e308, "\0", "<image>", "\ud800", "x" * rng.choice([1, 50_000])]
    return odd[kind]


def bad_body(rng: random.Random) -> bytes:
    """A body that no server can answer."""
    kind = rng.randrange(9)
    good = json.dumps({"model": "tiny", "messages": [message(PICTURE)]}).encode()
    if kind == 0:  # cut, or with bytes changed to what ends no string well
        return good[: rng.randrange(len(good))]
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(300)))
    if kind == 2:  # nested
        depth = rng.choice([50, 500, 5_000, 60_000])
        return rng.choice([b"[" * depth, b'{"a":' * depth, b'{"messages":' + b"[" * depth + b"]" * depth + b"}"])
    if kind == 3:  # a field of another type
        value = json.loads(good)
        target = rng.choice([value, value["messages"][0], value["messages"][0]["content"][1]])
        target[rng.choice(list(target))] = odd_value(rng)
        target[f"x{rng.randrange(99)}"] = odd_value(rng)
        return json.dumps(value).encode()
    if kind == 4:
        return json.dumps({"model": "tiny", "messages": [message(rng.choice(URLS))]}).encode()
    if kind == 5:  # broken base64
        text = base64.b64encode(png()).decode()
        place = rng.randrange(len(text) - 4)
        broken = text[:place] + rng.choice(["!", " ", "\n", "=", "é", "%2B", "AAAAA=A"]) + text[place:]
        return json.dumps({"model": "tiny", "messages": [message(f"data:image/png;base64,{broken}")]}).encode()
    if kind == 6:
        url = data_url(rng.choice(BAD_FILES), rng.choice(["png", "jpeg", "x"]))
        return json.dumps({"model": "tiny", "messages": [message(url)]}).encode()
    if kind == 7:  # too large
        return json.dumps(
            {"model": "tiny", "messages": [message(PICTURE, "x" * rng.choice([33_000, 300_000]))]}
        ).encode()
    text = rng.choice(["<image>", "</s> <image>", "[SEG]", "<p> x </p> [SEG]", "", " \t"])
    return json.dumps({"model": "tiny", "messages": [message(PICTURE, text)]}).encode()


def message(url: str, text: str = "What is it?") -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}],
    }


_WATCHED: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Hears of every connection, look-up, program and file; cannot be taken off again, so it asks who listens."""
    # the client of the tests is in the main thread, the server in all others
    if _WATCHED and threading.current_thread() is not threading.main_thread():
        if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
            _WATCHED[-1].append(f"{event} {arguments}")
        elif event == "open" and isinstance(arguments[0], str) and not arguments[0].endswith((".py", ".pyc", ".so")):
            _WATCHED[-1].append(f"{event} {arguments[0]}")


sys.addaudithook(_watch)


@contextmanager
def watched() -> Iterator[list[str]]:
    """What the server's threads do to files and network while the block lasts."""
    _WATCHED.append([])
    try:
        yield _WATCHED[-1]
    finally:
        _WATCHED.pop()


def test_bad_bodies(tiny_live: Live) -> None:
    rng = random.Random(0)
    slowest, statuses = 0.0, set()
    tiny_live.http.get("/metrics")  # what is imported at first use has been
    with watched() as done:
        for number in range(NUM_BODIES):
            body = bad_body(rng)
            began = time.perf_counter()
            response = tiny_live.http.post(CHAT, content=body, headers={"Content-Type": "application/json"})
            slowest = max(slowest, time.perf_counter() - began)
            assert 400 <= response.status_code < 500, (number, response.status_code, body[:200], response.text[:300])
            error = response.json()["error"]
            assert error["message"] and len(error["message"]) < 1000 and "Traceback" not in response.text
            assert "root:" not in response.text
            statuses.add(response.status_code)
    assert not done, done[:5]
    assert slowest < 5
    assert statuses == {400, 413}
    until(lambda: tiny_live.service.num_open == 0)
    good = {"model": "tiny", "messages": [message(PICTURE)]}
    assert tiny_live.http.post(CHAT, json=good).status_code == 200


def test_the_watch_watches(tiny_live: Live) -> None:
    """An address of an allowed host is looked up, and the watch sees it: so it would have seen others."""
    service = tiny_live.service
    before = service.limits
    service.limits = before.model_copy(update={"image_hosts": ("localhost",)})
    try:
        with watched() as done:
            body = {"model": "tiny", "messages": [message("http://localhost/x.png")]}
            response = tiny_live.http.post(CHAT, json=body)
    finally:
        service.limits = before
    assert response.status_code == 400 and "not public" in response.text
    assert any(event.startswith("socket.getaddrinfo") for event in done)
    assert not any(event.startswith("socket.connect") for event in done)
