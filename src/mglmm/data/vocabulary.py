"""How labels are spoken of: their plural, whether they can be counted, other names for them, what they are for."""

import re
from dataclasses import dataclass

from mglmm.instructions import with_article


@dataclass(frozen=True, slots=True)
class Noun:
    """A label as a word. `mass`: takes no article and no number ("hair"); `pair`: plural already ("trousers")."""

    one: str
    many: str
    mass: bool = False
    pair: bool = False

    @property
    def verb(self) -> str:
        """ "is" or "are", for one of it."""
        return "are" if self.pair else "is"

    @property
    def pronoun(self) -> str:
        """ "it" or "they", for one of it."""
        return "they" if self.pair else "it"

    def indefinite(self, adjectives: str = "") -> str:
        """The noun as it is told first: "a red car", "black hair", "blue trousers"."""
        text = f"{adjectives} {self.one}".strip()
        return text if self.mass or self.pair else with_article(text)


MASS = frozenset(
    {
        "hair", "skin", "broccoli", "water", "grass", "sand", "snow", "sky", "street", "vegetation", "food", "foliage",
        "wool", "cargo", "foam", "bread", "soup", "salad", "cheese", "icing",
    }
)  # fmt: skip
MASS_WITH_ARTICLE = frozenset({"street", "sky"})
"""Cannot be counted in a picture, but people say "the street" and "a street"."""
STUFF = frozenset(
    {
        "sky", "clouds", "ceiling", "wall", "floor", "rug", "carpet", "curtain", "grass", "ground", "dirt", "sand",
        "snow", "water", "sea", "lake", "river", "road", "street", "path", "pavement", "sidewalk", "field", "hill",
        "hills", "mountain", "mountains", "fence", "hedge", "vegetation",
    }
)  # fmt: skip
"""What has no shape of its own and stands behind or under the things of a picture; most are stuff in COCO-Stuff too."""
PAIRS = frozenset(
    {
        "trousers", "pants", "jeans", "leggings", "shorts", "tights", "stockings", "shoes", "boots", "sneakers",
        "heels", "sandals", "socks", "gloves", "glasses", "sunglasses", "scissors", "skis", "plants", "clothes",
        "hills", "branches", "leaves", "pages", "bristles", "clouds", "mountains", "stairs", "steps", "flowers",
        "people", "rocks", "trees", "bushes", "buildings", "blinds",
    }
)  # fmt: skip
IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "sheep": "sheep",
    "knife": "knives",
    "scarf": "scarves",
    "skis": "skis",
    "teddy bear": "teddy bears",
}


_REST = re.compile(r"(-other)?(-merged|-stuff)?$| ?\([^)]*\)$")
_MATERIAL = re.compile(r"^(ceiling|floor|wall)-(\w+)$")


def spoken(label: str) -> str:
    """A data set's label as people say it: LVIS writes words with "_", COCO's stuff has endings of its own.

    >>> spoken("baby_buggy"), spoken("sky-other-merged"), spoken("wall-brick"), spoken("bow_(weapon)")
    ('baby buggy', 'sky', 'brick wall', 'bow')
    """
    return _MATERIAL.sub(r"\2 \1", _REST.sub("", label.replace("_", " "), count=1))


def noun(label: str) -> Noun:
    """The noun of a label; the plural of an unlisted one follows the rules of spelling.

    >>> noun("box").many, noun("cherry").many, noun("person").many, noun("trousers").indefinite("blue")
    ('boxes', 'cherries', 'people', 'blue trousers')
    """
    if label in MASS:
        return Noun(label, label, mass=label not in MASS_WITH_ARTICLE)
    if label in PAIRS:
        return Noun(label, label, pair=True)
    if label in IRREGULAR:
        return Noun(label, IRREGULAR[label])
    if label.endswith(("s", "x", "z", "ch", "sh")):
        return Noun(label, f"{label}es")
    if label.endswith("y") and label[-2:-1] not in ("a", "e", "o", "u"):
        return Noun(label, f"{label[:-1]}ies")
    return Noun(label, f"{label}s")


SYNONYMS: dict[str, tuple[str, ...]] = {
    "trousers": ("pants",),
    "person": ("human",),
    "bag": ("handbag",),
    "building facade": ("facade", "building", "house front"),
    "street": ("road",),
    "cat": ("kitty",),
    "couch": ("sofa",),
    "tv": ("television", "screen"),
    "cell phone": ("phone", "mobile phone"),
    "dining table": ("table",),
    "potted plant": ("plant",),
    "airplane": ("plane",),
    "bicycle": ("bike",),
    "motorcycle": ("motorbike",),
    "refrigerator": ("fridge",),
    "sports ball": ("ball",),
    "donut": ("doughnut",),
}
"""Other names under which people ask for a label; the answer says the name that was asked for."""

USES: dict[str, tuple[str, ...]] = {
    "shoes": ("What protects the feet from the ground?", "What is worn on the feet?"),
    "hat": ("What protects the head from the sun?", "What is worn on the head?"),
    "sunglasses": ("What protects the eyes from the sun?", "What makes bright light easier to bear?"),
    "scarf": ("What keeps the neck warm?",),
    "gloves": ("What keeps the hands warm?",),
    "bag": ("Where could a wallet and keys be carried?", "What can be used to carry things?"),
    "belt": ("What holds the clothes at the waist?",),
    "trousers": ("What covers both legs?",),
    "coat": ("What keeps the person warm on a cold day?",),
    "hair": ("What would a hairdresser cut?", "What grows on the head?"),
    "tie": ("What is tied around the neck of a shirt?",),
    "watch": ("What tells the time?",),
    "window": ("Through what can people look outside?", "What lets light into the rooms?"),
    "shop": ("Where could one buy something?",),
    "balcony": ("Where could people sit in the open air without leaving home?",),
    "building facade": ("Where do people live or work?", "What has rooms behind it?"),
    "street": ("Where can cars drive?",),
    "fence": ("What keeps people off the ground behind it?",),
    "cat": ("Which animal can purr?", "Which animal hunts mice?", "What is the animal that meows?"),
    "dog": ("Which animal can bark?",),
    "horse": ("Which animal can be ridden?",),
    "bird": ("Which animal can fly?",),
    "chair": ("What could one person sit on?",),
    "couch": ("On what could several people sit?",),
    "bed": ("Where could one sleep?",),
    "umbrella": ("What keeps off the rain?",),
    "car": ("What has four wheels and can be driven?",),
    "bicycle": ("What has pedals and two wheels?",),
    "bus": ("What can carry many passengers?",),
    "airplane": ("What can fly people to far places?",),
    "traffic light": ("What tells drivers when to stop and go?",),
    "laptop": ("What can be used for typing and can be folded up?",),
    "clock": ("What tells the time?",),
    "toilet": ("What has a seat and is flushed with water?",),
    "pizza": ("Which food is round and has cheese on it?",),
    "cake": ("Which food is sweet and often eaten on birthdays?",),
}
"""Questions that a label answers; not asked where another label of the picture answers them, too."""

RIVALS: tuple[frozenset[str], ...] = (
    frozenset({"coat", "jacket", "suit", "vest", "sweater", "shirt"}),
    frozenset({"dress", "skirt", "suit", "coat"}),
    frozenset({"dress", "shirt", "sweater"}),
    frozenset({"trousers", "tights", "shorts", "suit"}),
    frozenset({"socks", "tights"}),
    frozenset({"sunglasses", "glasses"}),
    frozenset({"coat", "scarf", "sweater", "jacket"}),
    frozenset({"chair", "couch", "bench", "bed", "toilet"}),
    frozenset({"car", "bus", "truck"}),
    frozenset({"bus", "train", "airplane", "boat"}),
    frozenset({"bicycle", "motorcycle"}),
    frozenset({"cup", "bowl", "wine glass", "vase"}),
    frozenset({"bag", "backpack", "handbag", "suitcase"}),
    frozenset({"tv", "laptop"}),
    frozenset({"cake", "donut", "sandwich", "pizza"}),
    frozenset({"clock", "watch"}),
)
"""Labels that are easily taken for one another: where one is, the absence of another is not claimed and a question that
both might answer is not asked."""


def rivals(label: str) -> frozenset[str]:
    """The other labels that a label is easily taken for."""
    return frozenset().union(*(group for group in RIVALS if label in group)) - {label}
