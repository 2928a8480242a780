"""Measures the conversion of large data sets: time against reading the same files with pycocotools alone, and memory.

    python benchmarks/convert.py coco-panoptic --images 20000 --folder out/convert
    python benchmarks/convert.py sa-1b --images 5000 --workers 1 2 --ways pycocotools ours --folder out/convert

Makes the set, then goes through it in every way at once, each for a fifth of a second while the others stand still,
so that all see the same machine:

* ours: `mglmm data convert --workers N`, which writes JSON lines of checked samples, once for every N asked for;
* pycocotools: every JSON file read with `json.load`, the size of every picture with Pillow, and area and box of every
  mask with pycocotools; nothing is checked, nothing written. In the panoptic set, whose masks are PNGs of ids, each
  mask is first encoded with `pycocotools.mask.encode`; in SA-1B, whose masks are RLEs already, nothing is decoded;
* decoded: SA-1B as it is used for training, every mask decoded to pixels with `pycocotools.mask.decode`.

The panoptic set has pictures of 480 x 640 with 6 to 17 segments each, the other pictures of 1500 x 2000 with 100 masks
(RLEs of some 200 characters, as in SA-1B). `DIFFERENT` of the images are different, the others hard links.

Time is from after the imports to the end, that of starting further processes included. Memory is the sum of the peaks
of all processes, each with all that it shares with others (Linux). The bars: at most 1.3 times the time, peak memory
below 1 GB. CPU time counts where the machine does other work. The figures are in docs/log.md.
"""

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from mglmm.atomic import atomic_folder
from mglmm.data.convert import convert

DIFFERENT = 100
HEIGHT, WIDTH = 480, 640
NUM_SEGMENTS = (6, 18)
NUM_CATEGORIES = 133
SA_HEIGHT, SA_WIDTH = 1500, 2000
SA_MASKS = 100

SLICE_S = 0.2
"""How long a way goes on before it is the next one's turn."""


def main() -> None:
    """Make the set if it is not there, and measure all ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=tuple(WAYS))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path("out/convert"))
    parser.add_argument("--ways", nargs="+", help="of pycocotools, ours, decoded; default: all there are")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2], metavar="N", help="of ours")
    parser.add_argument("--measure", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    root = options.folder / f"{options.set}-{options.images}"
    if options.measure:
        measure(ways_of(options)[options.measure], root)
        return
    if not root.exists():
        with atomic_folder(root) as made:
            MAKERS[options.set](made, options.images)
    runs = {way: Run([sys.executable, *sys.argv, "--measure", way]) for way in ways_of(options)}
    left = list(runs.values())
    while left:
        left = [run for run in left if not run.go_on(SLICE_S)]
    reference = next(iter(runs.values()))
    for way, run in runs.items():
        ratios = f"{run.clock_s / reference.clock_s:.2f} and {run.cpu_s / reference.cpu_s:.2f} times the first"
        print(f"{way}: {run.clock_s:.2f} s, {run.cpu_s:.2f} s of CPU ({ratios}), peak {run.peak_mb:.0f} MB")


def ways_of(options: argparse.Namespace) -> dict[str, Callable[[Path], int]]:
    """What is measured, by name: ours with every number of workers."""
    chosen = {way: run for way, run in WAYS[options.set].items() if not options.ways or way in options.ways}
    ours = chosen.pop("ours", None)
    numbered = {f"ours, --workers {count}": partial(ours, workers=count) for count in options.workers} if ours else {}
    return chosen | numbered


def measure(way: Callable[[Path], int], root: Path) -> None:
    """Say that all is imported, wait for a line, go through the set, say how many seconds of the CPU that took."""
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.process_time()
    way(root)
    print(time.process_time() - start, flush=True)


class Run:
    """A way in processes of its own, which stand still except when they are told to go on.

    `clock_s`: while they went; `cpu_s`: of all of them; `peak_mb`: the sum of the peaks of their resident memory.
    """

    def __init__(self, command: list[str]) -> None:
        self._first = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._first.stdin and self._first.stdout
        self._in, self._out = self._first.stdin, self._first.stdout
        self._out.readline()
        self._peaks: dict[int, float] = {}
        self._seconds: dict[int, float] = {}
        self.clock_s = self.cpu_s = self.peak_mb = 0.0

    def go_on(self, seconds: float) -> bool:
        """Go on for so long; whether the way has come to its end."""
        start = time.perf_counter()
        if self.clock_s:
            os.killpg(self._first.pid, signal.SIGCONT)
        else:
            self._in.write("\n")
            self._in.flush()
        is_over = bool(select.select([self._out], [], [], seconds)[0])
        self.clock_s += time.perf_counter() - start
        if not is_over:
            os.killpg(self._first.pid, signal.SIGSTOP)
        self._look()
        if is_over:
            told = self._out.readline()
            self._first.communicate()
            if not told:
                raise SystemExit(f"{self._first.args} has failed")
            own = self._first.pid
            self.cpu_s = float(told) + sum(value for pid, value in self._seconds.items() if pid != own)
            self.peak_mb = sum(self._peaks.values())
        return is_over

    def _look(self) -> None:
        """Note the memory and the time of every process; what is read is its own record."""
        for pid in family(self._first.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):  # it has just ended
                self._peaks[pid], self._seconds[pid] = max(self._peaks.get(pid, 0), peak_mb(pid)), cpu_s(pid)


def family(pid: int) -> Iterator[int]:
    """A process, its children, their children."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            yield from family(int(child))


def cpu_s(pid: int) -> float:
    """Seconds of the CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """The peak of a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def convert_panoptic(root: Path, workers: int) -> int:
    """Convert the set in COCO's panoptic layout."""
    return convert("coco-panoptic", root, "val", root / f"val-{workers}.jsonl", workers=workers).count


def convert_sa1b(root: Path, workers: int) -> int:
    """Convert the set in SA-1B's layout."""
    return convert("sa-1b", root, "sa_000000", root / f"sa_000000-{workers}.jsonl", workers=workers).count


def read_panoptic(root: Path) -> int:
    """Read every file and encode every mask."""
    content = json.loads((root / "annotations" / "panoptic_val.json").read_text(encoding="utf-8"))
    images = {image["id"]: image for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        with Image.open(root / "val" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
        pixels = np.asarray(
            Image.open(root / "annotations" / "panoptic_val" / annotation["file_name"]), dtype=np.uint32
        )
        ids = pixels[:, :, 0] + 256 * pixels[:, :, 1] + 65536 * pixels[:, :, 2]
        for segment in annotation["segments_info"]:
            rle = coco.encode(np.asfortranarray(ids == segment["id"], dtype=np.uint8))
            assert coco.area(rle) and coco.toBbox(rle)[3] and names[segment["category_id"]]
    return len(content["annotations"])


def read_sa1b(root: Path, decode: bool = False) -> int:
    """Read every file; area and box of every mask, and its pixels with `decode`."""
    paths = sorted((root / "sa_000000").glob("*.json"))
    for path in paths:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
        with Image.open(path.with_suffix(".jpg")) as picture:
            assert picture.size == (content["image"]["width"], content["image"]["height"])
        for annotation in content["annotations"]:
            rle = annotation["segmentation"]
            assert coco.area(rle) == annotation["area"] and coco.toBbox(rle)[3]
            assert not decode or coco.decode(rle).any()
    return len(paths)


WAYS: Mapping[str, Mapping[str, Callable[..., int]]] = {
    "coco-panoptic": {"pycocotools": read_panoptic, "ours": convert_panoptic},
    "sa-1b": {"pycocotools": read_sa1b, "ours": convert_sa1b, "decoded": partial(read_sa1b, decode=True)},
}


def make_panoptic(root: Path, count: int) -> None:
    """Write the set."""
    maps, pictures = root / "annotations" / "panoptic_val", root / "val"
    maps.mkdir(parents=True)
    pictures.mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 60)).save(pictures / "0.jpg")
    infos = [write_map(maps / f"{number}.png", number) for number in range(min(count, DIFFERENT))]
    for number in range(count):
        for folder, ending, original in ((maps, "png", number % DIFFERENT), (pictures, "jpg", 0)):
            path = folder / f"{number}.{ending}"
            if not path.exists():
                path.hardlink_to(folder / f"{original}.{ending}")
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "height": HEIGHT, "width": WIDTH} for n in range(count)],
        "annotations": [
            {"image_id": n, "file_name": f"{n}.png", "segments_info": infos[n % DIFFERENT]} for n in range(count)
        ],
        "categories": [{"id": n, "name": f"class {n}", "isthing": int(n < 80)} for n in range(NUM_CATEGORIES)],
    }
    (root / "annotations" / "panoptic_val.json").write_text(json.dumps(content), encoding="utf-8")


def write_map(path: Path, number: int) -> list[dict[str, object]]:
    """Write a PNG of ids, ragged blobs that cover the picture but for a void margin; returns its `segments_info`."""
    rng = np.random.default_rng(number)
    count = int(rng.integers(*NUM_SEGMENTS))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ragged = 12 * (np.sin(x / rng.uniform(3, 15)) + np.sin(y / rng.uniform(3, 15)) + rng.random((HEIGHT, WIDTH)))
    centers = rng.uniform((0, 0), (HEIGHT, WIDTH), size=(count, 2))
    distance = np.stack([np.hypot(y - cy, x - cx) + ragged * rng.uniform(0, 1) for cy, cx in centers])
    ids = rng.choice(np.arange(1, 2**24), size=count, replace=False)
    owner = ids[np.argmin(distance, axis=0)]
    owner[:8] = 0
    Image.fromarray(np.stack([owner % 256, owner // 256 % 256, owner // 65536], axis=2).astype(np.uint8)).save(path)
    return [
        {"id": int(i), "category_id": int(rng.integers(NUM_CATEGORIES)), "iscrowd": 0, "area": int((owner == i).sum())}
        for i in ids
        if (owner == i).any()
    ]


def make_sa1b(root: Path, count: int) -> None:
    """Write a set in SA-1B's layout: a JSON file and a picture an image."""
    folder = root / "sa_000000"
    folder.mkdir(parents=True)
    picture = folder / "sa_0.jpg"
    Image.new("RGB", (SA_WIDTH, SA_HEIGHT), (90, 120, 60)).save(picture)
    marks = [ragged_masks(number) for number in range(min(count, DIFFERENT))]
    for number in range(count):
        image = {"image_id": number, "width": SA_WIDTH, "height": SA_HEIGHT, "file_name": f"sa_{number}.jpg"}
        content = {"image": image, "annotations": marks[number % DIFFERENT]}
        (folder / f"sa_{number}.json").write_text(json.dumps(content), encoding="utf-8")
        if number:
            (folder / f"sa_{number}.jpg").hardlink_to(picture)


def ragged_masks(number: int) -> list[dict[str, object]]:
    """100 annotations of SA-1B: ellipses with ragged edges."""
    rng = np.random.default_rng(number)
    found = []
    for index in range(SA_MASKS):
        height, width = (int(length) for length in np.minimum(rng.lognormal(4, 0.8, 2) + 8, 900))
        top, left = int(rng.integers(SA_HEIGHT - height)), int(rng.integers(SA_WIDTH - width))
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        waves = rng.uniform(0, 0.15) * np.sin(rng.uniform(4, 12) * np.arctan2(y, x) + rng.uniform(0, 6))
        mask = np.zeros((SA_HEIGHT, SA_WIDTH), dtype=np.uint8, order="F")
        mask[top : top + height, left : left + width] = y**2 + x**2 <= 0.85 + waves
        rle = coco.encode(mask)
        box = coco.toBbox(rle).tolist()
        found.append(
            {
                "bbox": [*box[:2], box[2] - 1, box[3] - 1],
                "area": int(mask.sum()),
                "segmentation": {"size": [SA_HEIGHT, SA_WIDTH], "counts": rle["counts"].decode()},
                "predicted_iou": float(rng.uniform(0.88, 1)),
                "point_coords": [[left + width / 2, top + height / 2]],
                "crop_box": [0.0, 0.0, float(SA_WIDTH), float(SA_HEIGHT)],
                "id": 1000 * number + index,
                "stability_score": float(rng.uniform(0.92, 1)),
            }
        )
    return found


MAKERS: Mapping[str, Callable[[Path, int], None]] = {"coco-panoptic": make_panoptic, "sa-1b": make_sa1b}


if __name__ == "__main__":
    main()
