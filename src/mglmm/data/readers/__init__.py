"""Readers of public data sets and of your own: `reader(root, split)` is an iterator of samples, image after image.

A reader is a function in a file of its own, listed in `READERS`; its docstring states source, licence, the expected
folder tree and the convert command. Beside `root` and `split` it takes by name `on_bad` (see `policy`), `check_images`
(false: pictures need not be there) and options, texts or truth values. The samples' `image` is relative to `root`.

To add one: state the records of the files as `SourceRecord`s, get masks from `shapes` (of boxes from `boxes`), grounded
texts from `spans`, pictures, paths and sizes from `files`, walk large JSON files with `json_stream` or `coco_file`, and
hand the records to `policy.Reading`. Data sets in one layout share a factory, as in `coco`.
"""

from collections.abc import Mapping

from mglmm.data.readers.ade20k import ade20k
from mglmm.data.readers.coco import coco, coco_instances, coco_stuff, lvis
from mglmm.data.readers.coco_captions import coco_captions, nocaps
from mglmm.data.readers.coco_panoptic import coco_panoptic
from mglmm.data.readers.dci import dci
from mglmm.data.readers.flickr30k import flickr30k, flickr30k_entities
from mglmm.data.readers.folder import folder
from mglmm.data.readers.grand import grand
from mglmm.data.readers.grandf import grandf, grandf_flickr, grandf_openpsg, grandf_refcocog
from mglmm.data.readers.id_maps import ade20k_150, coco_stuff_maps, mapillary, pascal_voc
from mglmm.data.readers.label_studio import label_studio
from mglmm.data.readers.llava import llava_instruct, osprey
from mglmm.data.readers.mgsc import mgsc
from mglmm.data.readers.muse import muse
from mglmm.data.readers.paco import paco_lvis
from mglmm.data.readers.pascal_part import pascal_part
from mglmm.data.readers.policy import OnBad, Reader, refuse
from mglmm.data.readers.reasonseg import reasonseg
from mglmm.data.readers.refcoco import grefcoco, refclef, refcoco, refcoco_plus, refcocog
from mglmm.data.readers.sa1b import sa1b
from mglmm.data.readers.visual_genome import visual_genome, visual_genome_objects

__all__ = ["READERS", "OnBad", "Reader", "refuse"]


READERS: Mapping[str, Reader] = {
    "ade20k": ade20k,
    "ade20k-150": ade20k_150,
    "coco": coco,
    "coco-captions": coco_captions,
    "coco-instances": coco_instances,
    "coco-panoptic": coco_panoptic,
    "coco-stuff": coco_stuff,
    "coco-stuff-maps": coco_stuff_maps,
    "dci": dci,
    "flickr30k": flickr30k,
    "flickr30k-entities": flickr30k_entities,
    "folder": folder,
    "grand": grand,
    "grandf": grandf,
    "grandf-flickr": grandf_flickr,
    "grandf-openpsg": grandf_openpsg,
    "grandf-refcocog": grandf_refcocog,
    "grefcoco": grefcoco,
    "label-studio": label_studio,
    "llava-instruct": llava_instruct,
    "lvis": lvis,
    "mapillary": mapillary,
    "mgsc": mgsc,
    "muse": muse,
    "nocaps": nocaps,
    "osprey-724k": osprey,
    "paco-lvis": paco_lvis,
    "pascal-part": pascal_part,
    "pascal-voc": pascal_voc,
    "reasonseg": reasonseg,
    "refclef": refclef,
    "refcoco": refcoco,
    "refcoco+": refcoco_plus,
    "refcocog": refcocog,
    "sa-1b": sa1b,
    "visual-genome": visual_genome,
    "visual-genome-objects": visual_genome_objects,
}
"""Name on the command line -> reader."""
