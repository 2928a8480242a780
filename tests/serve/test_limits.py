"""What a request may cost, who may ask, and what becomes of requests that do not end well; over real HTTP."""

import io
import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from PIL import Image

from mglmm.engine import EngineClosedError
from mglmm.events import Words
from mglmm.schema import UserError
from mglmm.serve.limits import Limits
from mglmm.serve.pictures import data_url
from tests.serve.live import CHAT, Live, PlayedEngine, png, request, serving, until, user


def refused(response: Any, status: int, code: str, param: str | None = None) -> str:
    """What a refusal says."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert "Traceback" not in response.text
    return str(error["message"])


def metric(live: Live, name: str) -> float:
    """The value of a metric, its labels summed up."""
    lines = [line for line in live.http.get("/metrics").text.splitlines() if line.split("{")[0].split(" ")[0] == name]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_too_many_are_sent_away() -> None:
    engine = PlayedEngine(at_once=False)
    with serving(engine, Limits(max_running=2, max_waiting=1)) as live, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(live.chat) for _ in range(3)]
        engine.wait_for(3)
        response = live.chat()
        refused(response, 429, "server_busy")
        assert int(response.headers["retry-after"]) >= 1
        assert metric(live, "mglmm_requests_open") == 3
        for ticket in list(engine.tickets):
            ticket.tell(*ticket.answer())
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
        until(lambda: live.service.num_open == 0)
        fourth = pool.submit(live.chat)
        ticket = engine.wait_for(4)[3]
        ticket.tell(*ticket.answer())
        assert fourth.result().status_code == 200


def test_when_to_come_again_is_told_by_whole_answers() -> None:
    """What is refused at once, or left, says nothing of how long an answer takes."""
    engine = PlayedEngine(at_once=False)
    with serving(engine, Limits(max_running=1, max_waiting=0)) as live, ThreadPoolExecutor(1) as pool:
        for number in (1, 2):
            answer = pool.submit(live.chat)
            ticket = engine.wait_for(number)[-1]
            if number == 1:
                time.sleep(1.2)
            ticket.tell(*(ticket.answer() if number == 1 else [RuntimeError("broken")]))
            answer.result()
        for _ in range(3):
            refused(live.chat(model="other"), 404, "model_not_found", "model")
        until(lambda: live.service.num_open == 0)
        last = pool.submit(live.chat)
        ticket = engine.wait_for(3)[-1]
        assert live.chat().headers["retry-after"] == "2"
        ticket.tell(*ticket.answer())
        assert last.result().status_code == 200


def test_health_ends_with_the_engine() -> None:
    engine = PlayedEngine()
    with serving(engine) as live:
        assert live.http.get("/healthz").json() == {"status": "ok"}
        engine.closed = True
        refused(live.http.get("/healthz"), 503, "shutting_down")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_client_that_goes_away_costs_nothing_more(stream: bool, begun: bool) -> None:
    engine = PlayedEngine(at_once=False)
    with serving(engine) as live:
        body = json.dumps(request(stream=stream)).encode()
        with socket.create_connection(("127.0.0.1", int(live.url.rsplit(":", 1)[1]))) as client:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            (ticket,) = engine.wait_for(1)
            if begun:
                ticket.tell(Words("Here "))
            if begun and stream:
                assert b"200 OK" in client.recv(100)
            assert not ticket.cancelled.is_set()
        assert ticket.cancelled.wait(5)
        until(lambda: live.service.num_open == 0)
        until(lambda: metric(live, "mglmm_answers_total") == 1)
        assert 'mglmm_answers_total{outcome="gone"} 1.0' in live.http.get("/metrics").text


@pytest.mark.parametrize("stream", [False, True])
def test_no_word_in_time(stream: bool) -> None:
    engine = PlayedEngine(at_once=False)
    with serving(engine, Limits(timeout_s=0.3)) as live:
        refused(live.chat(stream=stream), 504, "timeout")
        assert engine.tickets[0].cancelled.is_set()
        until(lambda: live.service.num_open == 0)


def test_what_is_there_in_time_is_streamed() -> None:
    engine = PlayedEngine(at_once=False)
    with serving(engine, Limits(timeout_s=0.5)) as live, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(live.chat, stream=True)
        (ticket,) = engine.wait_for(1)
        ticket.tell(*ticket.answer()[:3])
        text = answer.result().text
        assert ticket.cancelled.wait(5)
        choice = json.loads(text.split("\n\n")[-3].removeprefix("data: "))["choices"][0]
        assert (choice["finish_reason"], choice["limit"]) == ("length", "time")
        assert "a cat" in text and '"counts"' in text


def test_limit_of_tokens() -> None:
    engine = PlayedEngine(at_once=False)
    with serving(engine, Limits(max_new_tokens=20)) as live, ThreadPoolExecutor(1) as pool:
        for given, used in (({}, 20), ({"max_tokens": 5}, 5), ({"max_completion_tokens": 7, "max_tokens": 5}, 7)):
            answer = pool.submit(live.chat, **given)
            ticket = engine.wait_for(len(engine.tickets) + 1)[-1]
            assert ticket.max_new_tokens == used
            ticket.met_limit = True
            ticket.tell(*ticket.answer())
            choice = answer.result().json()["choices"][0]
            assert (choice["finish_reason"], choice["limit"]) == ("length", "tokens")


def test_slow_request_is_given_up() -> None:
    with serving(PlayedEngine(), Limits(timeout_s=0.3)) as live:
        with socket.create_connection(("127.0.0.1", int(live.url.rsplit(":", 1)[1]))) as client:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
            client.sendall(head.encode() + b'{"model":')
            client.settimeout(5)
            # to the end: the connection is closed
            said = b"".join(iter(lambda: client.recv(10_000), b""))
            assert b"408" in said.split(b"\r\n")[0] and b"request_timeout" in said
        until(lambda: live.service.num_open == 0)


def test_too_many_bytes() -> None:
    with serving(PlayedEngine(), Limits(max_body_bytes=2000, max_image_bytes=1000)) as live:
        response = live.http.post(CHAT, content=b"x" * 2001, headers={"Content-Type": "application/json"})
        assert "2,000 bytes" in refused(response, 413, "request_too_large")
        huge = {"Content-Type": "application/json", "Content-Length": "9" * 15}
        with socket.create_connection(("127.0.0.1", int(live.url.rsplit(":", 1)[1]))) as client:
            lines = "".join(f"{name}: {value}\r\n" for name, value in huge.items())
            client.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
            assert b" 413 " in client.recv(1000)
        url = data_url(b"x" * 1001)
        response = live.chat(messages=[user(url=url)])
        assert "1,000 bytes" in refused(response, 413, "image_too_large", "messages.0.content.1.image_url.url")


def test_too_many_bytes_in_pieces() -> None:
    """Without a length the body is given up when it becomes too large: a hundred megabytes are not taken."""
    sent = 0

    def pieces() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 100_000
            yield b" " * 100_000

    with serving(PlayedEngine(), Limits(max_body_bytes=300_000)) as live:
        try:
            response = live.http.post(CHAT, content=pieces(), headers={"Content-Type": "application/json"})
        except OSError as error:
            pytest.fail(f"refused without a word: {error}")
        refused(response, 413, "request_too_large")
    assert sent < 50_000_000


def test_too_many_pixels_are_never_unpacked() -> None:
    content = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(content, "PNG")
    assert len(content.getvalue()) < 100_000
    with serving(PlayedEngine(), Limits(max_pixels=1_000_000)) as live:
        started = time.perf_counter()
        response = live.chat(messages=[user(url=data_url(content.getvalue()))])
        assert "limit" in refused(response, 400, "invalid_image", "messages.0.content.1.image_url.url")
        assert time.perf_counter() - started < 1
        just = live.chat(messages=[user(url=data_url(png(1000, 1000)))])
        assert just.status_code == 200


def test_key() -> None:
    with serving(PlayedEngine(), api_key="let me in") as live:
        assert live.http.get("/healthz").status_code == 200
        for key in (
            "",
            "Bearer",
            "Bearer let me",
            "Basic let me in",
            "let me in",
            "Bearer lét me in".encode().decode("latin1"),
        ):
            for response in (
                live.http.post(CHAT, json=request(), headers={"Authorization": key.encode("latin1")}),
                live.http.get("/v1/models", headers={"Authorization": key.encode("latin1")}),
            ):
                refused(response, 401, "invalid_api_key")
        good = {"Authorization": "Bearer let me in"}
        assert live.http.post(CHAT, json=request(), headers=good).status_code == 200
        assert live.http.get("/v1/models", headers=good).status_code == 200
        assert live.http.get("/openapi.json").json()["paths"][CHAT]["post"]["security"] == [{"key": []}]


def test_a_key_beyond_ascii() -> None:
    """As UTF-8; its last byte would be a space in Latin-1."""
    with serving(PlayedEngine(), api_key="clé à") as live:
        assert live.http.get("/v1/models", headers={"Authorization": "Bearer clé à".encode()}).status_code == 200
        refused(live.http.get("/v1/models", headers={"Authorization": "Bearer clé".encode()}), 401, "invalid_api_key")


def test_body_must_be_called_json() -> None:
    """What a page in a browser may send to any host without asking is refused."""
    with serving(PlayedEngine()) as live:
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            body = json.dumps(request())
            refused(live.http.post(CHAT, content=body, headers={"Content-Type": kind}), 415, "unsupported_media_type")
        kind = "application/JSON; charset=utf-8"
        assert live.http.post(CHAT, content=body, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (
            UserError("picture and conversation take 2000 of the model's 1024 tokens"),
            400,
            "invalid_request",
            "messages",
        ),
        (EngineClosedError("closed"), 503, "shutting_down", None),
        (RuntimeError("secret of the inside"), 500, "internal_error", None),
    ],
)
def test_failures_of_the_engine(
    error: Exception, status: int, code: str, param: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    engine = PlayedEngine(at_once=False)
    with serving(engine) as live, ThreadPoolExecutor(1) as pool:
        for stream in (False, True):
            answer = pool.submit(live.chat, stream=stream)
            engine.wait_for(1 + stream)[-1].tell(error)
            assert "secret" not in refused(answer.result(), status, code, param)
        answer = pool.submit(live.chat, stream=True)
        engine.wait_for(3)[-1].tell(Words("Here "), error)
        last = answer.result().text.split("\n\n")[-3]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == code
        until(lambda: live.service.num_open == 0)
    told = [record for record in caplog.records if record.exc_info and "secret" in str(record.exc_info[1])]
    assert bool(told) == (status == 500)


def test_unknown_paths_and_methods() -> None:
    with serving(PlayedEngine()) as live:
        assert live.http.get("/v2").json()["error"]["type"] == "invalid_request_error"
        response = live.http.get(CHAT)
        assert response.status_code == 405 and response.headers["allow"] == "POST" and "error" in response.json()
        assert live.http.get("/v1/models/other").json()["error"]["code"] == "model_not_found"
        refused(live.chat(model="other"), 404, "model_not_found", "model")
        for number in range(30):
            live.http.get(f"/path-{number}")
        assert "path-" not in live.http.get("/metrics").text


def test_shutdown_finishes_what_runs() -> None:
    engine = PlayedEngine(at_once=False)
    with ThreadPoolExecutor(1) as pool:
        with serving(engine) as live:
            pending = pool.submit(httpx2.post, live.url + CHAT, json=request(stream=True))
            (ticket,) = engine.wait_for(1)
            ticket.tell(Words("Here is "))
            threading.Timer(0.5, lambda: ticket.tell(*ticket.answer()[1:])).start()
            # leaving the block tells the server to end, while the answer is half written
        assert pending.result().text.endswith("data: [DONE]\n\n") and "a cat" in pending.result().text
    assert engine.closed


def test_log_tells_no_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    engine = PlayedEngine()
    with serving(engine) as live:
        live.chat(messages=[user("My secret question.")], stream=True)
        live.chat(messages=[user("My secret question.")])
        live.chat(messages=[user("My secret question."), {"role": "secret"}])
        live.chat(messages=[user("<broken", url="data:image/png;base64,c2VjcmV0")])
    lines = [record for record in caplog.records if record.name == "mglmm.serve"]
    requests = [record.fields for record in lines if record.getMessage() == "request"]  # type: ignore[attr-defined]
    assert [fields["status"] for fields in requests] == [200, 200, 400, 400]
    for first in requests[:2]:
        assert first["masks"] == 1 and first["prompt_tokens"] == 7 and first["pixels"] == 24
        assert first["outcome"] == "stop"
    assert list(requests[0]["seconds"]) == ["read", "first_word", "first_mask", "whole"]
    assert list(requests[1]["seconds"]) == ["read", "whole"]
    said = " ".join(str(record.__dict__) for record in lines)
    assert "secret" not in said and "c2Vj" not in said and "cat" not in said
