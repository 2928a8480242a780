"""The command: its start, its signals, its end, and its mistakes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mglmm.cli import main
from mglmm.serve.limits import Limits
from tests.serve.live import CHAT, until, user


@contextmanager
def process(
    *options: str, program: tuple[str, str] = ("-m", "mglmm"), **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str, list[dict[str, Any]]]]:
    """A server of its own: the process, its address, and what it logs."""
    command = [sys.executable, *program, "serve", "--port", "0", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, env=os.environ | environment) as running:
        log: list[dict[str, Any]] = []

        def listen() -> None:
            assert running.stderr is not None
            for line in running.stderr:
                log.append(json.loads(line))

        threading.Thread(target=listen, daemon=True).start()
        try:
            until(lambda: any(line["event"] == "serving" for line in log), timeout_s=60)
            address = next(line["address"] for line in log if "address" in line).removesuffix("/v1")
            until(lambda: answers(address))
            yield running, address, log
        finally:
            running.kill()


def answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/healthz").json() == {"status": "ok"}
    except httpx2.ConnectError:
        return False


def test_from_start_to_end(tiny_model_dir: Path) -> None:
    """The environment's key is asked for; SIGTERM lets the answer that runs be finished, and the exit code is 0."""
    request = {"model": "tiny", "stream": True, "messages": [user("My secret question.")]}
    key = {"Authorization": "Bearer abc"}
    options = ("--model", str(tiny_model_dir), "--name", "tiny", "--api-key-env", "MY_KEY")
    with process(*options, MY_KEY="abc") as (running, address, log):
        assert httpx2.get(f"{address}/v1/models").status_code == 401
        assert httpx2.get(f"{address}/v1/models", headers=key).json()["data"][0]["id"] == "tiny"
        with httpx2.stream("POST", address + CHAT, json=request, headers=key, timeout=60) as response:
            lines = response.iter_lines()
            first = next(lines)
            running.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert first.startswith("data: {") and rest[-1] == "data: [DONE]" and len(rest) > 100
        assert running.wait(20) == 0
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{address}/healthz")
        until(lambda: any(line.get("outcome") for line in log))
        (line,) = [line for line in log if line["event"] == "request" and line["path"] == CHAT]
        assert line["outcome"] in ("stop", "tokens") and line["completion_tokens"] > 100
        assert "secret" not in json.dumps(log) and line["request_id"] == response.headers["x-request-id"]
        assert running.stdout is not None and running.stdout.read() == ""


_LOST = """
import sys
from mglmm.cli import main, quiet
quiet()
from mglmm import engine
from mglmm.answering import Answering

def lose(*given, **options):
    engine.Answering = lose
    raise RuntimeError("the device is lost")

Answering.step = lose
sys.exit(main())
"""
"""The command with a model that fails for good at its first token."""


def test_a_model_that_fails_for_good_ends_the_process(tiny_model_dir: Path) -> None:
    request = {"model": "tiny", "messages": [user()]}
    with process("--model", str(tiny_model_dir), "--name", "tiny", program=("-c", _LOST)) as (running, address, log):
        assert httpx2.post(address + CHAT, json=request, timeout=60).status_code == 500
        assert running.wait(20) == 1
        until(lambda: "the server has ended" in log[-1]["event"])
        assert log[-1]["level"] == "error"


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["serve", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("mglmm: ")
    return captured.err


def test_mistakes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        began = time.perf_counter()
        port = str(taken.getsockname()[1])
        said = refused(capsys, "--port", port)
        assert f"port {port}" in said and "in use" in said and "--port" in said
        assert time.perf_counter() - began < 5  # before any model is loaded
    assert "this is no name of a host" in refused(capsys, "--host", "foo..bar")
    assert "no.such.host.invalid" in refused(capsys, "--host", "no.such.host.invalid")
    assert "no such folder" in refused(capsys, "--port", "0", "--model", "defualt")
    assert "is no port" in refused(capsys, "--port", "70000")
    assert "whole number above 0" in refused(capsys, "--max-running", "0")
    assert "no number above 0" in refused(capsys, "--timeout-s", "soon")
    monkeypatch.setenv("MGLMM_API_KEY", " ")
    assert "set but empty" in refused(capsys, "--port", "0")


def test_every_limit_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--image-host HOST " in said
    for name, value in Limits().model_dump().items():
        assert (f"--{name.replace('_', '-')}" if value else "--image-host") in said
        assert not value or f"(default: {value})" in said
