"""What one request, and all of them together, may cost the server."""

from typing import Annotated

from pydantic import ConfigDict, Field

from mglmm.schema import Record

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Limits(Record):
    """Bounds of the server; each is an option of `mglmm serve`, which says what stands here. The defaults are ours.

    At its worst the server holds `max_running + max_waiting` requests, each with its body and 4 bytes for each pixel.
    It unpacks two pictures at once, which takes up to 18 bytes for each pixel (WebP, as measured; others 5 to 11).
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    max_running: Count = 16
    """requests that are answered together"""
    max_waiting: Annotated[int, Field(ge=0)] = 48
    """requests beside those; more are refused with status 429"""
    max_body_bytes: Count = 16 * 2**20
    """of a request"""
    max_image_bytes: Count = 10 * 2**20
    """of a picture's file"""
    max_pixels: Count = 4096 * 4096
    """of a picture, known from its header before anything is unpacked"""
    max_characters: Count = 32_768
    """of all text of a conversation"""
    max_new_tokens: Count = 512
    """of an answer; who asks for more gets so many"""
    timeout_s: Seconds = 120.0
    """for a whole request; what has been streamed by then stays"""
    shutdown_s: Seconds = 30.0
    """for what runs when the server is told to end"""
    image_hosts: tuple[str, ...] = ()
    """host that pictures are fetched from, repeatable; without it none are"""
