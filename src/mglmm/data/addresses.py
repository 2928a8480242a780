"""Where files of samples lie: on this machine, or at an address of any file system that fsspec knows."""

from typing import Any

import fsspec

from mglmm.schema import UserError

JSON_ENDINGS = (".jsonl", ".json", ".ndjson")
"""What the name of a file of JSON lines ends with."""


def filesystem_of(address: str) -> tuple[Any, str]:
    """The fsspec file system of a path or address, and the path there.

    Raises:
        UserError: nobody knows such addresses, or the package that does is not installed.
    """
    try:
        filesystem, path = fsspec.url_to_fs(address)
    except (ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{address}: {reason}; give a path, or an address that can be read here") from error
    return filesystem, path
