"""Measures the conversion of large data sets: time against reading the same files with pycocotools alone, and memory.

    python benchmarks/convert.py --images 20000 --folder out/convert

Makes a set in COCO's panoptic layout: `--images` pictures of 480 x 640 with a PNG of ids each (`DIFFERENT` of them
different, the others hard links) and the JSON. Two processes of their own then go through it:

* ours: `mglmm data convert coco-panoptic`, which writes JSON lines of checked samples;
* pycocotools alone: the JSON with `json.load`, each PNG with Pillow, each mask encoded with `pycocotools.mask.encode`,
  area and box from it; nothing is checked, nothing written.

The bars: at most 1.3 times the time, peak memory below 1 GB. CPU time counts where the machine does other work. The
figures are in docs/log.md.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from mglmm.data.convert import convert

DIFFERENT = 100
HEIGHT, WIDTH = 480, 640
NUM_SEGMENTS = (6, 18)
NUM_CATEGORIES = 133


def main() -> None:
    """Make the set if it is not there, and measure both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=Path("out/convert"))
    parser.add_argument("--measure", choices=tuple(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    root = options.folder / f"panoptic-{options.images}"
    if options.measure:
        print(json.dumps(measure(options.measure, root)))
        return
    if not (root / "annotations" / "panoptic_val.json").exists():
        make_panoptic(root, options.images)
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--images", str(options.images), "--folder", str(options.folder)]
        done = subprocess.run([*command, "--measure", way], capture_output=True, text=True, check=True)
        found[way] = json.loads(done.stdout)
        print(f"{way}: {found[way]}")
    for kind in ("clock s", "CPU s"):
        print(f"ours takes {found['ours'][kind] / found['pycocotools'][kind]:.2f} times as much: {kind}")


def measure(way: str, root: Path) -> dict[str, float]:
    """Seconds by the clock and of the CPU, and the peak of resident memory in MB."""
    clock, cpu = time.perf_counter(), time.process_time()
    count = WAYS[way](root)
    return {
        "images": count,
        "clock s": round(time.perf_counter() - clock, 2),
        "CPU s": round(time.process_time() - cpu, 2),
        "peak MB": round(peak_mb(), 1),
    }


def peak_mb() -> float:
    """The peak of this process's resident memory; `resource` would count the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def ours(root: Path) -> int:
    """Convert the set."""
    return convert("coco-panoptic", root, "val", root / "val.jsonl").count


def pycocotools_alone(root: Path) -> int:
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
            assert coco.area(rle) and names[segment["category_id"]]
    return len(content["annotations"])


WAYS = {"pycocotools": pycocotools_alone, "ours": ours}


def make_panoptic(root: Path, count: int) -> None:
    """Write the set."""
    maps, pictures = root / "annotations" / "panoptic_val", root / "val"
    maps.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(exist_ok=True)
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


if __name__ == "__main__":
    main()
