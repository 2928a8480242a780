"""The server as a process: its address, its signals, its end."""

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import ceil
from threading import Event
from types import FrameType

import uvicorn
from fastapi import FastAPI

from mglmm.engine import Engine
from mglmm.predict import Predictor
from mglmm.serve.app import create_app
from mglmm.serve.limits import Limits
from mglmm.serve.observing import LOGGER, log_json
from mglmm.serve.service import Service

_KEEP_ALIVE_S = 30
"""How long a connection without a request stays; ours."""

_log = logging.getLogger(LOGGER)


def serve(predictor: Predictor, bound: socket.socket, model: str, limits: Limits, api_key: str | None) -> bool:
    """Answer requests until a signal comes; what runs then is finished within `limits.shutdown_s`.

    False: it ended because the model failed and cannot go on; that is logged.

    Args:
        predictor: whose model answers.
        bound: where; see `arguments.bind`.
        model: the name that requests must give.
        api_key: what requests must bear; None: nothing.
    """
    log_json()
    failed = Event()

    def _fail() -> None:
        failed.set()
        server.should_exit = True  # uvicorn looks at it ten times a second

    engine = Engine(predictor, max_rows=limits.max_running, on_failure=_fail)
    server = uvicorn_server(create_app(Service(engine, model, limits, api_key)), limits)
    host, port = bound.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"
    _log.info("serving", extra={"fields": {"address": address, "model": model}})
    with closing(bound), _ends_well():
        server.run(sockets=[bound])
    if failed.is_set():
        _log.error("the model failed and cannot go on, so the server has ended; start it again")
    return not failed.is_set()


def uvicorn_server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    """What runs the application: HTTP/1.1 without proxies' headers, websockets or a log of its own."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=ceil(limits.shutdown_s),
        )
    )


@contextmanager
def _ends_well() -> Iterator[None]:
    """While it lasts SIGTERM, which uvicorn raises again when all is done, does nothing: the exit code is then 0."""
    before = signal.signal(signal.SIGTERM, _nothing)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _nothing(number: int, frame: FrameType | None) -> None:
    pass
