"""Label Studio's encoding of a painted mask: runs of the RGBA picture, packed bit by bit.

Source: Label Studio's documentation of brush regions, which names the format of the npm package @thi.ng/rle-pack: 32
bits number of values, 5 bits their width - 1, four times 4 bits the widths of counts - 1; then for each run a bit (1:
one value repeated, 0: values as they are), 2 bits which width, the count - 1 in that width, and the value or values.
"""

import numpy as np

_WIDTHS = (3, 4, 8, 16)
_CHANNELS = 4
_MAX_RUN = 1 << _WIDTHS[-1]
_RUN_BITS = (1, 2, _WIDTHS[-1], 8)


def encode(mask: np.ndarray) -> list[int]:
    """The bytes for a mask (bool[H, W]), painted pixels being 255 in all four channels."""
    flat = np.concatenate([[False], np.asarray(mask, dtype=bool).ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    cuts = np.unique(np.concatenate([[0], edges, [mask.size]])) * _CHANNELS
    values, lengths = flat[1:][cuts[:-1] // _CHANNELS] * 255, np.diff(cuts)
    pieces = -(-lengths // _MAX_RUN)
    counts = np.full(int(pieces.sum()), _MAX_RUN)
    counts[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _MAX_RUN
    values = np.repeat(values, pieces)
    fields = (np.ones_like(counts), np.full_like(counts, len(_WIDTHS) - 1), counts - 1, values)
    runs = np.concatenate([_bits(f, width) for f, width in zip(fields, _RUN_BITS, strict=True)], axis=1).ravel()
    head = [_bits(np.array([mask.size * _CHANNELS]), 32), _bits(np.array([7]), 5)]
    head += [_bits(np.array([width - 1]), 4) for width in _WIDTHS]
    packed: list[int] = np.packbits(np.concatenate([*(h.ravel() for h in head), runs]).astype(np.uint8)).tolist()
    return packed


def decode(packed: list[int], size: tuple[int, int]) -> np.ndarray:
    """bool[H, W]: the painted pixels, whoever wrote them; those whose opacity is above half.

    Raises:
        ValueError: the bytes are cut short, or are no picture of `size` (height, width).
    """
    bits = np.unpackbits(np.array(packed, dtype=np.uint8)).tobytes().translate(bytes([48, 49]) + bytes(254))
    place = 0

    def take(width: int) -> int:
        """The number in the next bits."""
        nonlocal place
        place += width
        if place > len(bits):
            raise ValueError(f"the brush mask is cut short at {len(packed)} bytes")
        return int(bits[place - width : place], 2)

    total, word = take(32), take(5) + 1
    if total != size[0] * size[1] * _CHANNELS:
        raise ValueError(f"the brush mask has {total} values, a picture of {size} has {size[0] * size[1] * _CHANNELS}")
    widths = [take(4) + 1 for _ in _WIDTHS]
    values = np.zeros(total, dtype=np.int64)
    done = 0
    while done < total:
        repeated, count = take(1), take(widths[take(2)]) + 1
        if done + count > total:
            raise ValueError(f"the runs of the brush mask fill more than {total} values")
        values[done : done + count] = take(word) if repeated else [take(word) for _ in range(count)]
        done += count
    opacity: np.ndarray = values.reshape(*size, _CHANNELS)[:, :, 3] > 127
    return opacity


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    """int[N, width]: the numbers, the highest bit first."""
    return values[:, None] >> np.arange(width - 1, -1, -1) & 1
