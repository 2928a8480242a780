"""Masks of any picture without any weights: a multi-scale hierarchy of regions, with scikit-image.

Superpixels are merged two by two, the most alike first, until one is left. Of the regions on the way those are proposed
that stay as they are for long while their surroundings merge.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mglmm.annotate.records import Proposal
from mglmm.config import Recipe
from mglmm.schema import Rle, UserError

try:
    import networkx as nx
    from scipy import ndimage
    from skimage import color, filters, graph, morphology, segmentation
except ModuleNotFoundError as error:
    raise UserError("the annotation pipeline needs scikit-image: pip install 'mglmm[annotate]'") from error


MIN_SUPERPIXEL_PX = 40
"""Of small pictures fewer superpixels are made. Ours."""
BACKGROUND = 0.3
"""Share of the picture's border that background covers. Ours."""


class RegionOptions(Recipe):
    """Options of the region hierarchy; the values are ours, chosen by looking at photographs."""

    side_px: int = 384
    """Longer side at which regions are looked for."""
    num_superpixels: int = 500
    edge_weight: float = 200.0
    """How much an edge between two regions counts against the distance of their colors (CIE Lab)."""
    texture_weight: float = 40.0
    size_power: float = 0.25
    """Small regions merge earlier: the distance is multiplied by (share of the smaller one) ** this."""
    min_area: float = 0.003
    """Smallest region, as a share of the picture."""
    max_area: float = 0.9
    min_persistence: float = 1.25
    """A region is proposed if it merges at this many times the distance at which it was made."""
    min_contrast: float = 2.0
    """... and at a distance that is larger by this."""
    max_proposals: int = 40


class _Merge(NamedTuple):
    """Two regions (of `graph` nodes) that became one, at a distance."""

    first: frozenset[int]
    second: frozenset[int]
    distance: float


def propose_regions(image: Image.Image, options: RegionOptions) -> list[Proposal]:
    """Proposals for a picture (RGB), the most persistent first; `stability` is 1 - made / merged distance, 0..1."""
    scale = min(1.0, options.side_px / max(image.size))
    small = image.resize(
        (max(8, round(image.width * scale)), max(8, round(image.height * scale))), Image.Resampling.BOX
    )
    lab = color.rgb2lab(np.asarray(small)).astype(np.float64)
    labels = segmentation.slic(
        np.asarray(small),
        n_segments=min(options.num_superpixels, max(1, small.width * small.height // MIN_SUPERPIXEL_PX)),
        compactness=8.0,
        sigma=0.8,
        start_label=0,
    )
    if labels.max() == 0:
        return []
    merges = _merge_all(labels, lab, options)
    size = (image.height, image.width)
    found = []
    for region, stability in _persistent(merges, labels, options):
        mask = _smoothed(np.isin(labels, list(region)))
        if mask.any():
            large = np.asarray(Image.fromarray(mask).resize(image.size, Image.Resampling.NEAREST))
            found.append(
                Proposal(rle=Rle.from_mask(large.reshape(size)), stability=round(stability, 4), origin="regions")
            )
    return found


def _merge_all(labels: np.ndarray, lab: np.ndarray, options: RegionOptions) -> list[_Merge]:
    """Every merge in order, until one region is left."""
    edges = np.max([filters.sobel(lab[..., k]) for k in range(3)], axis=0) / 100
    texture = filters.gaussian(edges, 2.0)
    rag = graph.rag_boundary(labels, edges)
    counts = np.bincount(labels.ravel())
    for node in rag:
        inside = labels == node
        rag.nodes[node].update(
            pixels=int(counts[node]),
            color=lab[inside].mean(axis=0),
            texture=float(texture[inside].mean()),
            members=frozenset([node]),
        )
    total = labels.size
    for first, second, data in rag.edges(data=True):
        data["edge"] = data["weight"]
        data["weight"] = _distance(rag, first, second, data["edge"], total, options)
    merges: list[_Merge] = []

    def _merge(rag: nx.Graph, source: int, target: int) -> None:
        a, b = rag.nodes[source], rag.nodes[target]
        merges.append(_Merge(a["members"], b["members"], float(rag[source][target]["weight"])))
        pixels = a["pixels"] + b["pixels"]
        for key in ("color", "texture"):
            b[key] = (a["pixels"] * a[key] + b["pixels"] * b[key]) / pixels
        b.update(pixels=pixels, members=a["members"] | b["members"])

    def _weight(rag: nx.Graph, source: int, target: int, neighbor: int) -> Mapping[str, Any]:
        nothing = {"edge": 0.0, "count": 0}
        a, b = (rag[neighbor][n] if rag.has_edge(neighbor, n) else nothing for n in (source, target))
        count = a["count"] + b["count"]
        edge = (a["edge"] * a["count"] + b["edge"] * b["count"]) / count
        return {"count": count, "edge": edge, "weight": _distance(rag, target, neighbor, edge, total, options)}

    graph.merge_hierarchical(
        labels, rag, thresh=np.inf, rag_copy=False, in_place_merge=True, merge_func=_merge, weight_func=_weight
    )
    return merges


def _distance(rag: nx.Graph, first: int, second: int, edge: float, total: int, options: RegionOptions) -> float:
    """How unlike two neighbors are: color, texture and the edge between them, less for small ones."""
    a, b = rag.nodes[first], rag.nodes[second]
    unlike = float(np.linalg.norm(a["color"] - b["color"]))
    unlike += options.texture_weight * abs(a["texture"] - b["texture"]) + options.edge_weight * edge
    return unlike * (min(a["pixels"], b["pixels"]) / total) ** options.size_power


def _persistent(merges: list[_Merge], labels: np.ndarray, options: RegionOptions) -> list[tuple[frozenset[int], float]]:
    """(superpixels, stability) of the regions to propose, the most stable first."""
    counts = np.bincount(labels.ravel())
    made: dict[frozenset[int], float] = {}
    found = []
    level = 0.0
    for merge in merges:
        # a merge may be at a smaller distance than the one before it: the regions then are of the same level
        level = max(level, merge.distance)
        for region in (merge.first, merge.second):
            share = counts[list(region)].sum() / labels.size
            born = made.get(region, 0.0)
            persistence = level / max(born, 1e-6) if born else 1.0
            if (
                options.min_area <= share <= options.max_area
                and persistence >= options.min_persistence
                and level - born >= options.min_contrast
            ):
                found.append((region, 1 - 1 / persistence, level - born))
        made[merge.first | merge.second] = level
    found.sort(key=lambda f: (-f[2], -len(f[0]), min(f[0])))
    return [f[:2] for f in found[: options.max_proposals]]


def _smoothed(mask: np.ndarray) -> np.ndarray:
    """The mask without ragged edges, holes and islands; of the background only small holes are filled."""
    disk = morphology.disk(1)
    smooth = morphology.opening(morphology.closing(mask, disk), disk)
    least = max(4, int(0.05 * mask.sum()))
    smooth = morphology.remove_small_objects(smooth, max_size=least)
    border = np.concatenate([smooth[0], smooth[-1], smooth[:, 0], smooth[:, -1]])
    # a thing holds what it surrounds; what surrounds nearly all is background
    if border.mean() < BACKGROUND:
        return np.asarray(ndimage.binary_fill_holes(smooth), dtype=bool)
    return np.asarray(morphology.remove_small_holes(smooth, max_size=least), dtype=bool)
