"""Starting the studio and ending it cleanly."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gradio

from mglmm.arguments import check_port
from mglmm.engine import Engine
from mglmm.studio.app import MAX_SESSION_BYTES, make_app

MAX_OPEN = 40
"""Questions that are answered, or wait for the engine. Ours, and Gradio's own number of threads."""
MAX_WAITING = 24
"""Questions beside those; more are refused with status 503. Ours: together as many requests as the server takes."""


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """While it lasts SIGTERM ends the studio as Ctrl-C does; only the main thread may have it so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@_sigterm_as_ctrl_c()
def serve(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int,
    share: bool = False,
    model: str = "default",
    max_new_tokens: int = 512,
    stop: threading.Event | None = None,
) -> None:
    """Serve the studio until Ctrl-C or SIGTERM, or until `stop` is set; prints its address. Closes the engine.

    Args:
        share: also through a public address of Gradio's relay, which needs the network.
        model: the name that the page shows.

    Raises:
        UserError: see `check_port`.
    """
    stop = stop or threading.Event()
    app = None
    try:
        check_port(host, port)
        app = make_app(engine, model=model, max_new_tokens=max_new_tokens)
        _, address, public = app.launch(
            server_name=host,
            server_port=port,
            share=share,
            max_threads=MAX_OPEN,
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            inline=False,
            run_history=False,
            enable_monitoring=False,
            max_file_size=MAX_SESSION_BYTES,
            _frontend=False,
        )
        assert app.blocks is not None
        app.blocks._queue.max_size = MAX_WAITING  # `Server` makes the queue itself, without an option for it
        print(f"mglmm studio: {public or address} (Ctrl-C ends it)", flush=True)
        stop.wait()
    except KeyboardInterrupt:
        print("ended")
    finally:
        engine.close(finish=False)
        if app:
            _end(app)


def _end(app: gradio.Server) -> None:
    """End the server, as far as it has started."""
    blocks = app.blocks
    if blocks is None or not blocks.is_running:
        return
    # a stream of Gradio's would go on for ever and be waited for; that it is cut off is no error
    blocks.server.force_exit = True
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    blocks.close(verbose=False)
