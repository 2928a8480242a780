"""An engine that says what a script says, word by word at a set pace, with masks where the script has them."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from mglmm.engine import EngineClosedError, Listener
from mglmm.events import Grounded, Unnamed, Words
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Rle, Segment, Span, UserError

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the picture."""

Script = Sequence[str | tuple[str, Box]]
"""Texts, and phrases (empty: a mask without one) with the ellipse inside a box as their mask."""

SCENE: Script = (
    "This is a quiet place. In the background we see ",
    ("the sky", (0.0, 0.0, 1.0, 0.4)),
    " and ",
    ("a wide meadow", (0.0, 0.45, 1.0, 1.0)),
    ". In front stands ",
    ("a red car", (0.2, 0.4, 0.8, 0.9)),
    " beside ",
    ("a tree", (0.82, 0.2, 0.98, 0.7)),
    ".",
)
CAR: Script = (
    "This is ",
    ("the red car", (0.21, 0.41, 0.79, 0.89)),
    ". The parts are ",
    ("a wheel", (0.28, 0.7, 0.4, 0.88)),
    " and ",
    ("a door", (0.45, 0.5, 0.58, 0.75)),
    ", behind it ",
    ("a bird", (0.85, 0.02, 0.95, 0.12)),
    ".",
)
WHEEL: Script = (
    "This is ",
    ("the wheel", (0.28, 0.7, 0.4, 0.88)),
    ". It has ",
    ("a hub", (0.32, 0.76, 0.36, 0.82)),
    ".",
)


SURE: Script = ("Sure, it is", ("", (0.2, 0.4, 0.8, 0.9)), ".")


def script_for(instruction: str) -> Script:
    """What is said to an instruction."""
    if "wheel" in instruction:
        return WHEEL
    if "red car" in instruction:
        return CAR
    if "sure" in instruction:
        return SURE
    if "describe" in instruction.lower():
        return SCENE
    return ("Café 🙂: here is ", ("the 🌳 tree", (0.82, 0.2, 0.98, 0.7)), ".")


@dataclass
class FakeTicket:
    """One request."""

    on_event: Listener
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: bool = False

    def cancel(self) -> None:
        self.cancelled.set()


class FakeEngine:
    """`pace`: seconds between two words. `asked`: the conversations of all requests; `taken`: there was one."""

    def __init__(self, pace: float = 0.0):
        self.pace = pace
        self.asked: list[Sequence[tuple[str, str | None]]] = []
        self.images: list[Image.Image] = []
        self.tickets: list[FakeTicket] = []
        self.taken = threading.Event()
        self.closed = False

    def submit(
        self,
        image: Image.Image,
        conversation: Sequence[tuple[str, str | None]],
        *,
        name: str = "",
        max_new_tokens: int = 512,
        on_event: Listener,
    ) -> FakeTicket:
        instruction = conversation[-1][0]
        if not instruction.strip():
            raise UserError("the instruction is empty; say what to describe, segment or answer")
        if "too long" in instruction:
            raise UserError("picture and conversation take 9 of the model's 8 tokens; begin a new chat")
        self.asked.append(conversation)
        self.images.append(image)
        ticket = FakeTicket(on_event)
        self.tickets.append(ticket)
        self.taken.set()
        threading.Thread(target=self._answer, args=(image, instruction, ticket), daemon=True).start()
        return ticket

    def close(self, *, finish: bool = True) -> None:
        self.closed = True
        for ticket in self.tickets:
            if not ticket.cancelled.is_set() and not ticket.ended:
                ticket.cancel()
                ticket.on_event(EngineClosedError("the engine was closed"))

    def _answer(self, image: Image.Image, instruction: str, ticket: FakeTicket) -> None:
        if "crash" in instruction:
            ticket.on_event(RuntimeError("the graphics card is on fire"))
            return
        text, spans, segments, places = "", [], [], []
        for piece in script_for(instruction):
            said, box = (piece, None) if isinstance(piece, str) else piece
            start = len(text)
            for bit in re.findall(r"\s*\S+\s*$|\s*\S+", said):
                if ticket.cancelled.wait(self.pace):
                    return
                text += bit
                ticket.on_event(Words(bit))
            if box:
                segments.append(segment(len(segments) + 1, said, box, image.size))
                if not said:
                    places.append((len(segments), len(text)))
                    ticket.on_event(Unnamed(len(text), segments[-1]))
                    continue
                spans.append(Span(start=start, end=len(text), segment_ids=(len(segments),)))
                ticket.on_event(Grounded(spans[-1], (segments[-1],)))
        if "loud" in instruction:  # the whole answer is not what was streamed
            text = text.upper()
        answer = GroundedText(text=text, spans=tuple(spans))
        size = (image.height, image.width)
        ticket.ended = True
        ticket.on_event(
            ImagePrediction(
                sample_id="",
                size=size,
                instruction=instruction,
                answer=answer,
                segments=tuple(segments),
                image=image,
                unnamed=tuple(places),
            )
        )


def segment(number: int, label: str, box: Box, size_wh: tuple[int, int]) -> Segment:
    """The ellipse inside a box."""
    width, height = size_wh
    x = (np.arange(width) + 0.5) / width
    y = ((np.arange(height) + 0.5) / height)[:, None]
    x0, y0, x1, y1 = box
    mask = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    return Segment(id=number, rle=Rle.from_mask(mask), label=label, score=0.9)


if __name__ == "__main__":  # to look at the studio without a model: python -m tests.studio.fake
    from mglmm.studio.launch import serve

    serve(FakeEngine(pace=0.08), port=7861)  # type: ignore[arg-type]
