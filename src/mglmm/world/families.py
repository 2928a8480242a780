"""The families of reasoning questions that are rows of data: what fits, how one asks, and why it fits.

To add one, add a row: a name, a finder (`things`, `stuff`, `parts` of `reasoning`), two or more questions, and a reason
that reads well behind "it" and "they" ("can float"). A finder must name ALL that fits: every kind of the catalogue
to which the reason applies.
"""

from mglmm.world.lookup import Lookup
from mglmm.world.reasoning import Family, Finder, stuff, things, when


def _row(name: str, find: Finder, *questions: str, reason: str = "") -> Family:
    return Family(name, find, questions, reason)


def dark(lookup: Lookup) -> bool:
    """True at dusk and at night."""
    return lookup.graph.light != "day"


def wet(lookup: Lookup) -> bool:
    """True in rain."""
    return lookup.graph.weather == "rainy"


def hot(lookup: Lookup) -> bool:
    """True on a sunny day."""
    return lookup.graph.weather == "sunny" and lookup.graph.light == "day"


RIDEABLE = ("bicycle", "motorcycle", "scooter", "horse")
MOTOR = ("car", "bus", "truck", "tractor", "motorcycle", "scooter", "ship", "airplane", "helicopter")
FLIERS = ("bird", "pigeon", "butterfly", "airplane", "helicopter", "balloon", "kite")
WHEELED = ("car", "bus", "truck", "tractor", "bicycle", "motorcycle", "scooter")
LIGHTS = ("street lamp", "lighthouse", "lamp", "table lamp", "candle")
SEATS = ("bench", "chair", "sofa", "armchair", "stool", "swing")
GRAZERS = ("cow", "sheep", "horse", "rabbit")

TRAVEL = (
    _row("many_passengers", things(uses=("carries many people",), names=("bus", "ship", "airplane")),
         "[what|which of these things] could take [thirty people|a school class|a whole team] on a trip?",
         "a big group wants to travel together. what should they [take|use]?", reason="can carry many people"),
    _row("goods", things(uses=("carries goods",), names=("truck", "ship")),
         "what would you use to [bring|carry|move] [heavy boxes|a lot of goods] to [another town|a far place]?",
         "you have to move [all your furniture|many boxes]. what can [carry|take] them?",
         reason="can carry heavy goods"),
    _row("needs_fuel", things(uses=("needs fuel",), names=MOTOR),
         "what needs [fuel|gas] to [move|run]?", "what would stop when its [tank|fuel tank] is empty?",
         reason="would stop without fuel"),
    _row("muscle_power", things(names=("bicycle",)),
         "which vehicle [moves|works|runs] without [an engine|fuel|a motor] when you use your legs?",
         "what can you ride without [fuel|gas] by [moving|using] your legs?",
         reason="can be moved with the legs alone"),
    _row("floats", things(names=("boat", "ship", "duck")),
         "what can [swim|float] on [the|] water without sinking?", "what would stay on top of the water?",
         reason="can float on water"),
    _row("cross_water", things(names=("boat", "ship")),
         "how could [we|people] cross the [water|lake|sea]? find what can [take|bring] [us|them] there.",
         "you want to get to the other [side|shore] of the water. what can you use?", reason="can cross the water"),
    _row("flies", things(names=FLIERS, unsure=("duck", "chicken")),
         "what can [fly|move through the air|leave the ground]?", "what could you see [high up|up] in the air?",
         reason="can fly"),
    _row("fly_far", things(names=("airplane", "helicopter", "balloon")),
         "what could [take|carry|lift] [a person|people] up into the [sky|air]?",
         "someone wants to see the land from above. what can [take|lift] them up?",
         reason="can lift people into the air"),
    _row("rescue_air", things(names=("helicopter",)),
         "what could [save|rescue] a person from a [mountain|roof] by air?",
         "which thing can fly and stand still in the air?", reason="can stay in one place in the air"),
    _row("wind_moved", things(names=("kite",), unsure=("boat", "balloon", "umbrella")),
         "what needs [wind|a strong wind] to [stay up|work]?", "what would fall down without wind?",
         reason="would come down without wind"),
    _row("ride_alone", things(names=RIDEABLE),
         "what could [one person|a single rider] sit on and ride?", "what can you [ride|get on] alone?",
         reason="can be ridden by one person"),
    _row("farm_work", things(uses=("farm work",), names=("tractor",)),
         "what does a farmer use to [work on|plow] the [field|land]?", "which vehicle helps with the work on a farm?",
         reason="can work on the field"),
    _row("wheels", things(names=WHEELED, unsure=("toy car", "suitcase", "airplane")),
         "what [moves|rolls] on wheels?", "what would stop if its wheels were gone?",
         reason="could not move without wheels"),
    _row("traffic_danger",
         when(lambda p: p.graph.setting == "street", things(names=("car", "bus", "truck", "motorcycle", "scooter"))),
         "what should a child watch out for when it crosses the road?", "what makes it dangerous to play on the road?",
         reason="could hit someone"),
)  # fmt: skip

ANIMALS = (
    _row("milk", things(names=("cow",)),
         "where does milk come from? find it here.", "which animal gives [us milk|milk]?", reason="can give milk"),
    _row("wool", things(names=("sheep",)),
         "[which animal|what] gives wool for [warm socks|a sweater]?",
         "warm wool is made from the hair of which animal?", reason="can give wool"),
    _row("eggs", things(names=("chicken", "duck", "bird", "pigeon")),
         "what [lays eggs|could lay an egg]?", "[which animal|what] could have an egg in its nest?",
         reason="can lay eggs"),
    _row("pets", things(names=("dog", "cat"), unsure=("rabbit", "bird")),
         "which animals [do people keep|could live] at home as [pets|friends]?",
         "which animal could [live|sleep] [in a home|in the house] with a family?",
         reason="can live with people as a pet"),
    _row("guard", things(names=("dog",)),
         "[who|which animal] would bark when a [stranger|thief] comes?", "[who|what] could guard the house at night?",
         reason="can bark and guard the house"),
    _row("mice", things(names=("cat",)),
         "[who|which animal] would catch a mouse?", "there are mice in the house. [who|what] can help?",
         reason="can catch mice"),
    _row("meow", things(names=("cat",)),
         "[who|which animal] could say meow?", "which animal likes to drink milk and climb trees?",
         reason="can climb and meow"),
    _row("bones", things(names=("dog",)),
         "who would be happy about a bone?", "[who|which animal] likes to [play with a stick|run after a ball]?",
         reason="would love it"),
    _row("carrots", things(names=("rabbit",)),
         "[who|which animal] has long ears and likes carrots?",
         "which small animal [jumps|hops] [away|over the grass]?", reason="can hop and eat carrots"),
    _row("mud", things(names=("pig",)),
         "[who|which animal] likes to lie in the mud?", "which farm animal has a flat snout and a curly tail?",
         reason="may like the mud"),
    _row("grazing", things(names=GRAZERS),
         "[who|which animals] could eat [the grass|grass]?", "[who|what] would keep the grass short by eating it?",
         reason="can live on grass"),
    _row("farm_animals", things(names=("cow", "sheep", "pig", "horse", "chicken"), unsure=("duck", "rabbit")),
         "which animals [does a farmer keep|belong on a farm]?", "which animals live on a farm?",
         reason="may live on a farm"),
    _row("wings", things(names=("bird", "pigeon", "duck", "chicken", "butterfly", "airplane")),
         "what has wings?", "what could you find with a pair of wings?", reason="can spread wings"),
    _row("feathers", things(names=("bird", "pigeon", "duck", "chicken")),
         "[who|which animals] have feathers?", "whose body is covered with feathers?",
         reason="can keep warm with feathers"),
    _row("swims", things(names=("duck",)),
         "which animal feels at home on the water?", "which animal can swim and fly?", reason="can swim and fly"),
    _row("pollen", things(names=("butterfly",)),
         "which animal flies from flower to flower?", "which animal was a caterpillar before?",
         reason="can fly from flower to flower"),
    _row("saddle", things(names=("horse",)),
         "which animal could carry a rider?", "on which animal can you [put a saddle|ride]?",
         reason="can carry a rider"),
    _row("living_animals", things(categories=("animal",)),
         "[what|which of these] can feel hungry and is no person?", "which are animals?",
         "what should [be fed|get food] every day and is no person?", reason="may be hungry"),
    _row("four_legs", things(names=("dog", "cat", "horse", "cow", "sheep", "pig", "rabbit")),
         "[who|which animal] can run on four legs?", "which animal has four legs?", reason="can run on four legs"),
    _row("big_and_strong", things(names=("horse", "cow")),
         "which animal is strong enough to pull a [cart|heavy load]?", "which animal is as heavy as several people?",
         reason="can pull a heavy load"),
)  # fmt: skip

PEOPLE = (
    _row("talk", things(categories=("person",)),
         "who could answer [a question|you]?", "[who|whom] could you ask for the way?", reason="can speak"),
    _row("read", things(categories=("person",)),
         "who could read [a book|a letter|the newspaper]?", "who can [write a letter|sing a song]?",
         reason="can read and write"),
    _row("adult", things(names=("man", "woman")),
         "who is old enough to [drive a car|go to work]?", "who are the grown people here?", reason="may have a job"),
    _row("child", things(names=("child",)),
         "who [goes|may go] to school in the morning?", "who is still growing up?",
         "who may need help from grown people?", reason="can still grow"),
)  # fmt: skip

BUILDINGS = (
    _row("shelter", when(wet, things(categories=("building",), names=("tent",), unsure=("parasol", "umbrella"))),
         "it rains. where could people go to stay dry?", "which place could keep the rain [out|off]?",
         reason="can keep the rain out"),
    _row("live_in", things(names=("house", "building"), unsure=("lighthouse", "shop", "tent")),
         "where could a family live?", "where do people [sleep|live] and have their rooms?", reason="can be a home"),
    _row("buy", things(names=("shop",)),
         "where can you buy [something|bread|things]?", "where would you go with money and a bag?",
         reason="can sell you things"),
    _row("hay", things(names=("barn",)),
         "where does the farmer [keep|store] the hay?", "where do the [cows|animals] of the farm sleep?",
         reason="can hold hay and animals"),
    _row("guide_ships", things(names=("lighthouse",)),
         "what shows ships the way at night?", "what helps a captain to find the coast in the dark?",
         reason="can send light over the sea"),
    _row("has_rooms", things(categories=("building",)),
         "what has rooms [inside|that you can enter]?", "what could you walk into through a door and be inside?",
         reason="can be entered"),
)  # fmt: skip

PLANTS = (
    _row("shade",
         when(hot, things(names=("tree", "palm tree", "pine tree", "parasol"), unsure=("tent", "umbrella", "bush"))),
         "the sun is hot. where could you find some shade?", "what could [protect|shield] you from the hot sun?",
         reason="can give shade"),
    _row("grows", things(categories=("plant",)),
         "what needs water and light to grow?", "what grows [out of the ground|and has roots]?", reason="can grow"),
    _row("leaves_fall", things(names=("tree",)),
         "what may lose its leaves in autumn?", "where could apples grow?",
         reason="can bear fruit and lose its leaves"),
    _row("evergreen", things(names=("pine tree",)),
         "which tree is green in winter too?", "which tree could be used at christmas?",
         reason="can stay green in winter"),
    _row("coconut", things(names=("palm tree",)),
         "where do coconuts grow?", "which tree likes a warm beach?", reason="can grow where it is warm"),
    _row("bouquet", things(names=("flower",)),
         "what could you [pick|take] as a gift for [your mother|a friend]?",
         "what smells good and could stand in a vase?", reason="may smell good"),
    _row("bees", things(names=("flower",)),
         "where would a bee [land|find food]?", "what would a butterfly visit?", reason="can feed a bee"),
    _row("poison", things(names=("mushroom",)),
         "what should you never eat if you do not know it well?", "what could be poisonous?",
         reason="could be poisonous"),
    _row("nest", things(names=("tree", "pine tree", "palm tree")),
         "where could a bird build its nest?", "what could a [cat|child] climb up?",
         reason="can be climbed and hold a nest"),
    _row("wood", things(names=("tree", "pine tree", "palm tree")),
         "where does wood come from?", "what would you have to cut to get wood?", reason="can be cut for wood"),
)  # fmt: skip

GROUND = (
    _row("drive_on", stuff("road"),
         "where should the cars [drive|go]?", "which part is made for cars?"),
    _row("walk_on", stuff("sidewalk", "path"),
         "where should people walk?", "where is it safe to walk?"),
    _row("swim_in", stuff("water"),
         "where could a fish live?", "where could you swim?", "what is wet?"),
    _row("sandcastle", stuff("sand"),
         "where could you build a sandcastle?", "where could children dig with a [spade|shovel]?"),
    _row("cow_food", stuff("grass"),
         "what would a cow eat [here|]?", "where could you sit for a picnic?", "what has to be cut in summer?"),
    _row("ski", stuff("snow"),
         "what would you make a snowman of?", "what will melt when it gets warm?", "where could you go on skis?"),
    _row("look_up", stuff("sky"),
         "where [are|would you find] the clouds?", "where would you look for the [sun|moon]?"),
    _row("climb_far", stuff("hills"),
         "where would you have to climb up?", "what rises far away?"),
    _row("harvest", stuff("field"),
         "where does the [corn|wheat] grow?", "what will the farmer harvest?"),
    _row("keeps_in", when(lambda p: "fence" not in {e.name for e in p.things}, stuff("fence", "hedge")),
         "what keeps [people|animals] from walking on?", "what stands between one yard and the next?"),
    _row("stand_on", when(lambda p: p.graph.indoor, stuff("floor")),
         "what do you stand on in this room?", "what would you sweep [with a broom|]?"),
    _row("hang_on", when(lambda p: p.graph.indoor, stuff("wall")),
         "where could you hang a picture?", "what would you paint in another color?"),
    _row("shuts_light", stuff("curtain"),
         "what would you close to keep out the light?", "what hangs beside a window?"),
    _row("soft_floor", stuff("rug"),
         "what keeps your feet warm?", "what lies on the floor [and is soft|]?"),
)  # fmt: skip

OUTSIDE = (
    _row("sit_down", things(names=SEATS, unsure=("bed", "sled", "rug", "toilet", "bathtub")),
         "[someone|a person] is tired and wants to sit. where could [they sit|they sit down]?",
         "on what could you sit down [and rest|for a while]?", reason="can be sat on"),
    _row("light_at_night", when(dark, things(names=LIGHTS, unsure=("traffic light", "car"))),
         "it is dark. what [could give|gives] light?", "what helps people to see at night?",
         reason="can give light in the dark"),
    _row("stop_traffic", things(names=("traffic light",), unsure=("sign",)),
         "what tells the cars when to stop?", "what turns red, yellow and green?", reason="can stop the traffic"),
    _row("information", things(names=("sign",)),
         "what should a driver read?", "what tells people the rules of this place?",
         reason="can tell what is allowed"),
    _row("letters", things(names=("mailbox",)),
         "where would you put a letter?", "where does the mail [come in|go]?", reason="can hold letters"),
    _row("fire", things(names=("hydrant",)),
         "a house is on fire. where could the firemen get water?", "what gives water to put out a fire?",
         reason="can give water"),
    _row("trash", things(names=("trash can",)),
         "where should you throw [your trash|an empty bottle]?", "what helps to keep this place clean?",
         reason="can hold the trash"),
    _row("sun_protection", things(names=("parasol",)),
         "what could you sit under to keep the sun off?", "what would you open when the sun is too strong?",
         reason="can keep the sun off"),
    _row("camping", things(names=("tent",)),
         "where could campers sleep?", "what could you take on a trip to sleep in?", reason="can be slept in"),
    _row("snow_figure", things(names=("snowman",), unsure=("ice cream",)),
         "what will be gone when it gets warm?", "what did children build of snow?", reason="may melt in the sun"),
    _row("playground",
         things(names=("slide", "swing"), unsure=("sled", "kite", "sandcastle", "ball", "robot", "toy tower")),
         "where would children like to play?", "what belongs on a playground?", reason="can be played on"),
    _row("downhill", things(names=("sled",)),
         "what could you ride down a snowy hill?", "what slides on snow?", reason="can slide on snow"),
    _row("tide", things(names=("sandcastle",)),
         "what could the next wave wash away?", "what was built of sand?", reason="could be washed away"),
)  # fmt: skip
