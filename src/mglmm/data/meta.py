"""What `Sample.meta` says of segments, by their ids: it goes with them."""

from collections.abc import Collection, Mapping
from typing import Any

PREDICTED_IOU, STABILITY_SCORE = "predicted_iou", "stability_score"
"""Keys of scores by segment id (as text). Source: SA-1B."""

BY_ID = (PREDICTED_IOU, STABILITY_SCORE, "attributes", "labels", "names")
"""Keys under which something stands by segment id (as text)."""

IDS = ("box_ids", "crowd_ids", "groups", "stuff_ids")
"""Keys under which ids of segments are listed."""


def meta_of(meta: Mapping[str, Any], ids: Collection[int]) -> dict[str, Any]:
    """The meta of a sample of which only these segments are left.

    >>> meta_of({"names": {"1": "cab", "2": "rim"}, "crowd_ids": [2], "scene": "street"}, {1})
    {'names': {'1': 'cab'}, 'crowd_ids': [], 'scene': 'street'}
    """
    known = set(map(str, ids))
    found = dict(meta)
    for key in BY_ID:
        if isinstance(by_id := meta.get(key), dict):
            found[key] = {number: value for number, value in by_id.items() if number in known}
    for key in IDS:
        if isinstance(listed := meta.get(key), list):
            found[key] = [number for number in listed if number in ids]
    return found
