"""The command `mglmm serve`. As in `cli`, everything heavy is imported inside the command."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mglmm.arguments import bind, check_libraries, number_above_zero, port_number, positive, whole
from mglmm.schema import UserError

if TYPE_CHECKING:
    from mglmm.predict import Predictor

KEY_VARIABLE = "MGLMM_API_KEY"


def serve(options: argparse.Namespace) -> None:
    """Answer OpenAI's chat completions over HTTP, with masks; until SIGTERM or Ctrl-C, and then finish what runs.

    The exit code is 1 if it ends because the model cannot go on.
    """
    check_libraries("the server", "serve", "fastapi", "httpcore2", "prometheus_client", "uvicorn")
    from mglmm.serve.limits import Limits

    limits = Limits(**{name: value for name, value in vars(options).items() if name in Limits.model_fields})
    key = os.environ.get(options.api_key_env)
    if key is not None and not key.strip():
        raise UserError(f"{options.api_key_env} is set but empty; unset it, or put the API key into it")
    with bind(options.host, options.port) as bound:
        predictor: Predictor = options.load(options)
        from mglmm.serve.run import serve as answer

        if not answer(predictor, bound, options.name or Path(options.model).name, limits, key and key.strip()):
            sys.exit(1)


def add_command(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The parser of the command, added to those of the others; `add(commands, name, function, help)` makes it."""
    from mglmm.serve.limits import Limits

    command = add(commands, "serve", serve, "answer over HTTP, as OpenAI's chat completions do")
    command.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen at (default: %(default)s)")
    command.add_argument("--port", type=port, default=8000, metavar="P", help="0: any free one (default: %(default)s)")
    command.add_argument("--name", metavar="N", help="what the model is called (default: the end of --model)")
    command.add_argument(
        "--api-key-env",
        default=KEY_VARIABLE,
        metavar="VAR",
        help="variable of the environment; if it is set, requests must bear the key in it (default: %(default)s)",
    )
    for name, field in Limits.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        if name == "image_hosts":
            command.add_argument(
                "--image-host", dest=name, metavar="HOST", action="append", default=[], help=field.description
            )
            continue
        kind = number_above_zero if field.annotation is float else whole if name == "max_waiting" else positive
        said = f"{field.description} (default: %(default)s)"
        command.add_argument(option, type=kind, default=field.default, metavar="N", help=said)
    return command


def port(text: str) -> int:
    """A port from 1 to 65535, or 0 for any that is free; for argparse."""
    return 0 if text == "0" else port_number(text)
