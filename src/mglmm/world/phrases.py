"""From entities to words: noun phrases that stay tied to their segments, and the grammar that fits them."""

from collections.abc import Sequence

from mglmm.instructions import with_article
from mglmm.phrasing import Mention
from mglmm.world.graph import Entity

STUFF_ARTICLE = {"sky": "the", "grass": "", "sand": "", "snow": "", "water": "", "hills": ""}
"""How stuff is introduced; what is not listed can be counted ("a road")."""


def is_plural(entity: Entity) -> bool:
    """True if one such entity is told in the plural: trousers, hills."""
    return is_plural_name(entity.name, entity.plural)


def is_plural_name(name: str, plural: str | None) -> bool:
    """True if one thing of this name is told in the plural."""
    return name.endswith("s") and name == plural and name not in MASS


MASS = frozenset({"grass", "glass"})
"""Names that end in s but are told in the singular."""


def be(entities: Sequence[Entity]) -> str:
    """The verb "is" or "are" that fits them as a subject."""
    return "are" if len(entities) > 1 or is_plural(entities[0]) else "is"


def pronoun(entities: Sequence[Entity]) -> str:
    """ "they", "he", "she" or "it"."""
    if be(entities) == "are":
        return "they"
    return PEOPLE.get(entities[0].name, "it")


def this(entities: Sequence[Entity]) -> str:
    """ "This" or "These"."""
    return "These" if be(entities) == "are" else "This"


PEOPLE = {"man": "he", "boy": "he", "woman": "she", "girl": "she"}


def noun(entity: Entity) -> str:
    """[size] [color] [pattern] name: "large red striped car"."""
    words = [entity.size, entity.color, None if entity.pattern == "plain" else entity.pattern, entity.name]
    return " ".join(word for word in words if word)


def definite(entity: Entity) -> str:
    """The noun phrase with "the"."""
    return f"the {noun(entity)}"


def indefinite(entity: Entity) -> str:
    """The noun phrase as it is told first: "a red car", "blue trousers", "green grass", "the sky"."""
    text = noun(entity)
    if entity.stuff and entity.name in STUFF_ARTICLE:
        return f"{STUFF_ARTICLE[entity.name]} {text}".strip()
    return text if is_plural(entity) or entity.name in UNCOUNTED else with_article(text)


UNCOUNTED = frozenset(
    ("hair", "foliage", "wool", "cargo", "snow", "foam", "bread", "soup", "salad", "cheese", "icing", "bristles")
    + ("branches", "leaves", "pages")
)
"""Names that take no "a": what is not counted, and parts that are many at once."""


class Introduction:
    """Tells entities one after the other: "a red car", then "another red car" for one that would read the same."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._told: set[str] = set()

    def of(self, entity: Entity) -> Mention:
        """The mention of one more entity."""
        phrase = indefinite(entity)
        if phrase in self._told and phrase != noun(entity):
            phrase = f"another {noun(entity)}"
        self._told.add(phrase)
        return Mention(phrase, (entity.id,))


def mention(entity: Entity) -> Mention:
    """The definite mention of one entity."""
    return Mention(definite(entity), (entity.id,))


def numbered(entities: Sequence[Entity], words: str | None = None) -> list[Mention]:
    """One mention each, those that would read the same are numbered: "the first window", "the second window".

    `words` replaces the noun phrase of every entity.
    """
    nouns = [words or noun(entity) for entity in entities]
    count: dict[str, int] = {}
    mentions = []
    for entity, text in zip(entities, nouns, strict=True):
        count[text] = count.get(text, 0) + 1
        ordinal = f"{ORDINALS[count[text] - 1]} " if nouns.count(text) > 1 else ""
        mentions.append(Mention(f"the {ordinal}{text}", (entity.id,)))
    return mentions


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
