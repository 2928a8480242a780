"""Files that one run at a time writes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mglmm.schema import UserError

LOCK = ".partial.lock"
"""What the name of the lock of a file ends with; it is gone when no run writes the file."""


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
