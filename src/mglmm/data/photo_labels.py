"""What the classes of each set of photos are called here, and which labels are certainly absent where none is marked.

One everyday word stands for each group of classes, used everywhere, so that a small language model can learn it; the
finer name of the set is kept as another name of the segment ("jeans" of the trousers).
"""

LABELS: dict[str, dict[str, str]] = {
    "ccp": {
        "hair": "hair", "skin": "skin", "hat": "hat", "scarf": "scarf", "belt": "belt", "tie": "tie", "vest": "vest",
        "dress": "dress", "skirt": "skirt", "shorts": "shorts", "socks": "socks", "gloves": "gloves", "suit": "suit",
        "sunglasses": "sunglasses", "glasses": "glasses", "necklace": "necklace", "bracelet": "bracelet",
        "watch": "watch",
        "bag": "bag", "purse": "bag", "wallet": "bag",
        "pants": "trousers", "jeans": "trousers", "leggings": "trousers",
        "stockings": "tights", "tights": "tights",
        "coat": "coat", "cape": "coat", "jacket": "jacket", "blazer": "jacket",
        "sweater": "sweater", "sweatshirt": "sweater", "jumper": "sweater", "hoodie": "sweater", "cardigan": "sweater",
        "shirt": "shirt", "blouse": "shirt", "t-shirt": "shirt", "top": "shirt",
        "shoes": "shoes", "boots": "shoes", "heels": "shoes", "pumps": "shoes", "flats": "shoes", "loafers": "shoes",
        "sneakers": "shoes", "wedges": "shoes", "clogs": "shoes", "sandals": "shoes",
    },
    "facade": {
        "facade": "building facade", "window": "window", "shop": "shop", "balcony fence": "balcony",
        "street": "street", "fence": "fence", "vegetation": "plants", "car": "car",
    },
}  # fmt: skip
"""Set -> class name -> label; a class that is not listed gets no segment. A set that is not listed keeps its names."""

COMPLETE: dict[str, tuple[str, ...]] = {
    "ccp": ("hair", "hat", "scarf", "tie", "vest", "dress", "skirt", "shorts", "trousers", "gloves", "sunglasses",
            "bag", "shoes", "coat", "jacket", "sweater", "suit", "tights"),
    "facade": ("shop", "balcony", "car"),
    "cats": ("cat",),
}  # fmt: skip
"""Set -> labels of which the set marks every instance (in `ccp`: on the person). Not listed: all labels of the set."""

_FAR_AWAY = (
    "airplane", "boat", "train", "cow", "sheep", "elephant", "bear", "zebra", "giraffe", "snowboard", "surfboard",
    "kite", "banana", "pizza", "cake", "toilet", "bed", "oven", "refrigerator", "sink", "keyboard", "teddy bear",
)  # fmt: skip
FOREIGN: dict[str, tuple[str, ...]] = {
    "ccp": (*_FAR_AWAY, "horse"),
    "facade": (*_FAR_AWAY, "horse", "elephant", "laptop", "skis"),
    "cats": (*_FAR_AWAY, "horse", "skis", "laptop", "umbrella"),
}
"""Set -> labels of other sets that nothing in its photos can be, given where they were taken."""
