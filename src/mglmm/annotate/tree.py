"""From proposals to the tree of a picture's masks: a pure function with a named reason for everything left out."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from mglmm import masks
from mglmm.annotate.looks import Measured
from mglmm.annotate.records import Node, Proposal, Rejection
from mglmm.config import Recipe

Share = Annotated[float, Field(ge=0, le=1)]


class TreeOptions(Recipe):
    """Which proposals become nodes, and of whom they are parts. Shares are of the picture's pixels; values are ours."""

    min_area: Share = 0.0005
    max_area: Share = 0.95
    min_score: Share = 0.7
    """Smallest predicted quality of a mask, where its maker gives one."""
    min_stability: Share = 0.0
    border_sliver: Share = 0.015
    """A mask along the picture's border that is narrower than this share of the picture is left out."""
    duplicate_iou: Share = 0.85
    """Of masks that are this alike the best is kept: of the highest score, then stability, then the largest."""
    containment: Share = 0.85
    """A mask is a part of a larger one that holds at least this share of its pixels."""
    max_depth: Annotated[int, Field(ge=1)] = 4
    """Deeper masks become parts of what is above them at this depth."""
    max_children: Annotated[int, Field(ge=1)] = 24
    """Of one parent (of the picture), the largest are kept."""
    max_nodes: Annotated[int, Field(ge=1)] = 80
    stuff_border: Share = 0.3
    stuff_area: Share = 0.08
    """A whole that covers this share of the picture's border and of the picture is stuff, and has no parts."""


def build_tree(
    proposals: Sequence[Proposal], measured: Measured, options: TreeOptions
) -> tuple[tuple[Node, ...], tuple[Rejection, ...]]:
    """The nodes of a picture, wholes before their parts and large before small; and what was left out.

    The order of the proposals makes no difference.
    """
    ordered = sorted(proposals, key=lambda p: (-masks.area(p.rle.to_coco()), p.rle.counts, p.label))
    rejected: list[Rejection] = []
    kept = _filtered(ordered, options, rejected)
    kept = _without_duplicates(kept, options, rejected)
    looks = [measured.looks(masks.decode(p.rle.to_coco())) for p in kept]
    stuff = [seen.border >= options.stuff_border and seen.share >= options.stuff_area for seen in looks]
    parents = _limited_depth(_parents(kept, stuff, options), options.max_depth)
    chosen = _limited_width(parents, options, rejected, kept)
    numbers = {old: new for new, old in enumerate(_tree_order(chosen, parents), start=1)}
    depths = {k: len(_above(k, parents)) + 1 for k in chosen}
    nodes = tuple(
        Node(
            id=number,
            rle=kept[k].rle,
            parent=None if (above := parents[k]) is None else numbers[above],
            depth=depths[k],
            stuff=stuff[k],
            looks=looks[k],
            proposal=kept[k],
        )
        for k, number in numbers.items()
    )
    return nodes, tuple(rejected)


def _reject(rejected: list[Rejection], rule: str, proposal: Proposal) -> None:
    x0, y0, x1, y1 = masks.box(proposal.rle.to_coco())
    name = f"{proposal.label} " if proposal.label else ""
    detail = f"{name}box {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}"
    rejected.append(Rejection(rule=rule, stage="tree", node=None, detail=detail))


def _filtered(proposals: Sequence[Proposal], options: TreeOptions, rejected: list[Rejection]) -> list[Proposal]:
    """Those that are neither too small, too large, too uncertain nor a sliver along the border."""
    kept = []
    for proposal in proposals:
        rule = _fault(proposal, options)
        if rule is None:
            kept.append(proposal)
        else:
            _reject(rejected, rule, proposal)
    return kept


def _fault(proposal: Proposal, options: TreeOptions) -> str | None:
    """The rule that the mask breaks on its own."""
    height, width = proposal.rle.size
    share = masks.area(proposal.rle.to_coco()) / (height * width)
    if share < options.min_area or share == 0:
        return "too_small"
    if share > options.max_area:
        return "too_large"
    if proposal.score is not None and proposal.score < options.min_score:
        return "low_score"
    if proposal.stability is not None and proposal.stability < options.min_stability:
        return "unstable"
    x0, y0, x1, y1 = masks.box(proposal.rle.to_coco())
    flat = (x0 == 0 or x1 == width) and (x1 - x0) < options.border_sliver * width
    low = (y0 == 0 or y1 == height) and (y1 - y0) < options.border_sliver * height
    return "border_sliver" if flat or low else None


def _without_duplicates(
    proposals: Sequence[Proposal], options: TreeOptions, rejected: list[Rejection]
) -> list[Proposal]:
    """The best of masks that are nearly the same, in the order given."""
    rles = [p.rle.to_coco() for p in proposals]
    alike = masks.iou_matrix(rles, rles) >= options.duplicate_iou
    quality = [(p.score or 0.0, p.stability or 0.0, -k) for k, p in enumerate(proposals)]
    kept: list[int] = []
    for k in sorted(range(len(proposals)), key=lambda k: quality[k], reverse=True):
        if alike[k, kept].any():
            _reject(rejected, "near_duplicate", proposals[k])
        else:
            kept.append(k)
    return [proposals[k] for k in sorted(kept)]


def _parents(proposals: Sequence[Proposal], stuff: Sequence[bool], options: TreeOptions) -> list[int | None]:
    """For each the smallest larger mask that holds it and is not stuff."""
    rles = [p.rle.to_coco() for p in proposals]
    areas = masks.areas(rles)
    holds = masks.containment_matrix(rles, rles) >= options.containment
    holds &= (areas[None, :] > areas[:, None]) & ~np.array(stuff, dtype=bool)[None, :]
    found = [np.flatnonzero(row) for row in holds]
    return [int(inside[areas[inside].argmin()]) if len(inside) else None for inside in found]


def _above(node: int, parents: Sequence[int | None]) -> list[int]:
    """The node's parent, its parent and so on."""
    line: list[int] = []
    up = parents[node]
    while up is not None:
        line.append(up)
        up = parents[up]
    return line


def _limited_depth(parents: Sequence[int | None], max_depth: int) -> list[int | None]:
    """The parents, where no node is deeper than `max_depth` (1: wholes alone)."""
    limited = list(parents)
    for node in range(len(parents)):
        line = _above(node, parents)
        if len(line) >= max_depth:
            limited[node] = line[len(line) - max_depth + 1] if max_depth > 1 else None
    return limited


def _limited_width(
    parents: Sequence[int | None], options: TreeOptions, rejected: list[Rejection], proposals: Sequence[Proposal]
) -> list[int]:
    """The nodes that are kept, large before small: no parent has too many, no part stays without its whole."""
    kept: list[int] = []
    children: dict[int | None, int] = {}
    for node in range(len(parents)):
        parent = parents[node]
        if parent is not None and parent not in kept:
            _reject(rejected, "whole_left_out", proposals[node])
        elif children.get(parent, 0) >= options.max_children:
            _reject(rejected, "too_many_siblings", proposals[node])
        elif len(kept) >= options.max_nodes:
            _reject(rejected, "too_many_nodes", proposals[node])
        else:
            kept.append(node)
            children[parent] = children.get(parent, 0) + 1
    return kept


def _tree_order(nodes: Sequence[int], parents: Sequence[int | None]) -> list[int]:
    """Wholes with their parts behind them, each level large before small."""
    order: list[int] = []

    def _visit(parent: int | None) -> None:
        for node in nodes:
            if parents[node] == parent:
                order.append(node)
                _visit(node)

    _visit(None)
    return order
