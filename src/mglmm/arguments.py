"""Checks of what is given on the command line, before anything heavy is loaded."""

import argparse
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout

from mglmm.schema import UserError

LOCK = ".partial.lock"
"""What the name of the lock of a file ends with; it is there while a run writes the file."""


def check_writable(path: Path) -> None:
    """Nothing, if a file can be written at `path`, as found by writing beside it.

    Raises:
        UserError: the folder is missing or cannot be written, or `path` is a folder or read-only.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give a file")
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"{path}: cannot be written (the file is read-only)")


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Inside, no other run writes the file.

    Raises:
        UserError: another run does, or the folder cannot be written.
    """
    lock = FileLock(path.with_name(path.name + LOCK), blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(f"{path}: another run is writing it; wait for it, or give another --out") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        yield
    finally:
        # removed while it is held, so that none that waits for this lock file gets it
        with suppress(PermissionError):  # Windows removes it with the release
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def check_picture_path(path: Path) -> None:
    """Nothing, if a picture can be written at `path`; Raises UserError as `check_writable`, or for a wrong ending."""
    from PIL import Image

    writable = {ending for ending, name in Image.registered_extensions().items() if name in Image.SAVE}
    if path.suffix.lower() not in writable:
        raise UserError(f"{path}: no picture format has this ending; use .png or .jpg")
    check_writable(path)


def bind(host: str, port: int) -> socket.socket:
    """A socket at the address, not listening yet: clients are refused until somebody listens. Port 0: any free one.

    Raises:
        UserError: the port is in use or needs more rights, or the host is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no name of a host"
        raise UserError(f"cannot listen at {host}, port {port} ({reason}); give another --host or --port") from error
    return bound


def check_port(host: str, port: int) -> None:
    """Nothing, if a server can listen there; Raises UserError as `bind`."""
    bind(host, port).close()


def seed_range(text: str) -> tuple[int, int]:
    """(first, end) of "first:end", the end exclusive; for argparse."""
    first, _, end = text.partition(":")
    if not (first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise argparse.ArgumentTypeError(f"{text!r} is no range; give first:end with first < end, as in 0:100")
    return int(first), int(end)


def positive(text: str) -> int:
    """A whole number of at least 1; for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def port_number(text: str) -> int:
    """A port from 1 to 65535; for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to 65535")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """(height, width) in pixels of "480x640"; for argparse."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give height x width in pixels, as in 480x640")
    return int(height), int(width)


def whole(text: str) -> int:
    """A whole number; for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def number_above_zero(text: str) -> float:
    """A number above 0; for argparse."""
    if not text.replace(".", "", 1).isdecimal() or float(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return float(text)


def shares(text: str) -> tuple[str, float]:
    """(part, share) of "part=share"; for argparse."""
    part, _, share = text.partition("=")
    if not part.strip() or "/" in part or not share.replace(".", "", 1).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no share; give part=share, as in train=0.9")
    return part, float(share)


def check_libraries(what: str, extra: str, *libraries: str) -> None:
    """Nothing, if the libraries that a command needs, those of an extra of this package, are installed.

    Raises:
        UserError: one is not; `what` is the subject of the sentence.
    """
    for library in libraries:
        if find_spec(library) is None:
            raise UserError(f"{what} needs {library}: pip install 'mglmm[{extra}]'")
