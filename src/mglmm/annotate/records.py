"""What the stages of the pipeline hand to one another: pure data, written to JSON as it is."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mglmm.schema import GroundedText, Record, Rle, Sample

Share = Annotated[float, Field(ge=0, le=1)]


class Proposal(Record):
    """A candidate mask. `score`, `stability`: 0..1 where its maker gives them; `origin`: who made it.

    `label`, `caption`: "" unless the mask came with them.
    """

    rle: Rle
    origin: str
    score: Share | None = None
    stability: Share | None = None
    label: str = ""
    caption: str = ""


class Looks(Record):
    """What can be measured of a mask on its picture, with no model.

    `box_xywh`: x, y of the corner, width and height as shares of the picture. `share`: of the picture's pixels.
    `color`: one of `colors.COLORS` if one clearly dominates. `border`: share of the picture's border that it covers.
    """

    box_xywh: tuple[Share, Share, Share, Share]
    share: Share
    color: str | None
    texture: Literal["smooth", "fine", "coarse"]
    shape: Literal["round", "long", "plain"]
    border: Share


class Node(Record):
    """A mask in the tree of a picture; ids count from 1 in reading order of the tree. `parent` None: a whole.

    `stuff`: amorphous, as sky or ground; such nodes have no children.
    """

    id: int
    rle: Rle
    parent: int | None
    depth: int
    stuff: bool
    looks: Looks
    proposal: Proposal


class View(Record):
    """A node as a vision-language model is shown it: base64 of two JPEG files."""

    highlighted: str
    crop: str


class Rejection(Record):
    """Something that was left out, and the rule that says why. `node` None: a proposal, or the picture's caption."""

    rule: str
    stage: Literal["tree", "label", "verify", "compose"]
    node: int | None
    detail: str


class Scene(Record):
    """A picture after the stages `proposals` and `tree`. `views` by node id, `picture` (base64 JPEG): if wanted.

    `address`: of the picture, absolute or relative to the working folder.
    """

    id: str
    address: str
    size: tuple[int, int]
    nodes: tuple[Node, ...]
    rejections: tuple[Rejection, ...]
    num_proposals: int
    origin: str
    views: dict[int, View] = Field(default_factory=dict)
    picture: str = ""
    seconds: dict[str, float] = Field(default_factory=dict)

    def children(self, node: int | None) -> tuple[Node, ...]:
        """The parts of a node; of None: the wholes."""
        return tuple(n for n in self.nodes if n.parent == node)


class Description(Record):
    """What an annotator says about a node. `by`: who says it, as the provenance has it."""

    node: int
    label: str
    caption: str
    confidence: Share
    by: str


class Part(Record):
    """A node as the composer is told of it; `stuff`: see `Node`."""

    id: int
    label: str
    caption: str
    looks: Looks
    stuff: bool = False


class Task(Record):
    """A caption to compose: of the picture (`whole` None) or of a node, from the captions of its children.

    `name`: what the node is asked by, which fits no other mask of the picture that is kept.
    """

    whole: Part | None
    parts: tuple[Part, ...]
    name: str = ""

    @model_validator(mode="after")
    def _whole_is_named(self) -> "Task":
        if (self.whole is None) != (not self.name):
            raise ValueError("a whole has a name, a picture has none")
        return self

    @property
    def node(self) -> int | None:
        """The node's id; None: the picture."""
        return None if self.whole is None else self.whole.id

    @property
    def ids(self) -> tuple[int, ...]:
        """All node ids that the caption has to tell."""
        return tuple(p.id for p in (*([] if self.whole is None else [self.whole]), *self.parts))


class Composed(Record):
    """A checked grounded caption of the picture (`node` None) or of a node; `name` as of its `Task`."""

    node: int | None
    text: GroundedText
    name: str = ""


class Usage(Record):
    """What the calls for one picture took, as they were answered first; answers from the cache count as well.

    `attempts`: requests sent, those that were answered with an error included.
    """

    calls: int = 0
    attempts: int = 0
    invalid: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{name: value + other.model_dump()[name] for name, value in self.model_dump().items()})


class Finished(Record):
    """A finished picture."""

    sample: Sample
    rejections: tuple[Rejection, ...]
    num_proposals: int
    usage: Usage
    times: dict[str, Any]
