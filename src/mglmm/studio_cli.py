"""The command `mglmm demo`. As in `cli`, everything heavy is imported inside the command."""

import argparse
import sys
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, Any

from mglmm.arguments import check_port, port_number
from mglmm.schema import UserError

if TYPE_CHECKING:
    from mglmm.predict import Predictor

PORT = 7860
"""Gradio's own, which a Hugging Face Space expects too."""


def add_command(
    commands: Any,
    add: Callable[..., argparse.ArgumentParser],
    predictor: "Callable[[argparse.Namespace], Predictor]",
) -> argparse.ArgumentParser:
    """Add the command and return its parser; `add(commands, name, function, help)` makes it, `predictor` the model."""

    def _demo(options: argparse.Namespace) -> None:
        """Serve the web studio until Ctrl-C or SIGTERM: ask about pictures in a browser, and look inside their objects.

        The exit code is 1 if it ends because the model cannot go on.
        """
        try:
            import gradio  # noqa: F401
        except ImportError:
            raise UserError("the studio needs Gradio; install mglmm[demo]") from None
        check_port(options.host, options.port)
        loaded = predictor(options)
        from mglmm.engine import Engine
        from mglmm.studio.launch import serve

        failed = Event()
        serve(
            Engine(loaded, on_failure=failed.set),
            host=options.host,
            port=options.port,
            share=options.share,
            model=options.model,
            max_new_tokens=options.max_new_tokens,
            stop=failed,
        )
        if failed.is_set():
            print("the model failed and cannot go on, so the studio has ended; start it again", file=sys.stderr)
            sys.exit(1)

    command = add(commands, "demo", _demo, "the web studio: ask, see masks grow, look inside objects")
    command.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="0.0.0.0: for others too (default: %(default)s)"
    )
    command.add_argument("--port", type=port_number, default=PORT, metavar="P", help="(default: %(default)s)")
    command.add_argument("--share", action="store_true", help="also at a public address of Gradio's relay")
    return command
