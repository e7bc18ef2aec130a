"""The words that `match` knows: plain tables, so that a reader can see why a prompt became a scene.

- A term is one or more whole words in base form ("wave" also matches "waves" and "waving").
- Weights are relative: 4 to 6 names the place, 2 to 3 is typical of it, 1 and below is a hint.
- The order of a table is the order in which ties are broken: the first one wins.

The lists come from reading the public Sparkle prompts (card examples and the shared clips) and the
subthemes named there; the weights were set so that every one of those prompts lands where a person would
put it.
"""

from __future__ import annotations

from typing import Final

FALLBACK_FAMILY: Final = "meadow"  # an open landscape offends no prompt that names no place

FAMILY_TERMS: Final[dict[str, dict[str, float]]] = {
    "interior": {
        "library": 5, "living room": 5, "interior": 4, "indoor": 4, "indoors": 4, "room": 3, "study": 2.5,
        "office": 3.5, "kitchen": 4.5, "bedroom": 4.5, "workshop": 4.5, "garage": 4, "studio": 3,
        "classroom": 4.5, "gallery": 3.5, "museum": 3.5, "restaurant": 3.5, "coffee shop": 4.5, "cafe": 3,
        "bookstore": 4, "bookshop": 4, "bar": 2.5, "lounge": 3.5, "fireplace": 3, "hearth": 3,
        "bookshelf": 3, "bookcase": 3, "curtain": 2, "desk": 2.5, "desk lamp": 1, "lamp": 0.5, "hall": 2,
        "hallway": 3, "attic": 4, "cabin": 2.5, "candle": 1.5, "chandelier": 3, "laboratory": 4, "lab": 3,
        "gym": 3.5, "theater": 3, "theatre": 3, "sofa": 2.5, "couch": 2.5, "armchair": 2.5, "bakery": 3.5,
        "shelf": 1.5, "conservatory": 3, "window": 0.75, "disco": 5, "nightclub": 5, "dance floor": 4,
        "ballroom": 4,
    },
    "village": {
        "village": 5, "medieval": 4, "cottage": 4, "thatched": 3.5, "hamlet": 4, "tavern": 3, "castle": 5,
        "cobblestone": 2.5, "cobbled": 2.5, "torch": 2, "torchlight": 2, "street cafe": 4.5,
        "european": 2.5, "old town": 4.5, "town": 3, "town square": 2, "market": 2, "bazaar": 3,
        "courtyard": 2.5, "timber": 1.5, "lantern": 1, "street lamp": 1.5, "passerby": 1, "viking": 3,
        "paris": 3, "parisian": 3, "italian": 2, "venice": 3, "fairytale": 1.5, "canal": 4.5, "suburban": 4,
        "victorian": 2, "gaslight": 2, "gas lamp": 2,
    },
    "industrial": {
        "industrial": 4.5, "factory": 4.5, "wasteland": 4, "dystopian": 3.5, "smelter": 3, "steampunk": 4,
        "foundry": 4.5, "refinery": 4.5, "warehouse": 3.5, "apocalyptic": 4, "apocalypse": 4, "junkyard": 4,
        "rust": 1.5, "rusty": 2, "pipe": 2, "smokestack": 3, "chimney": 1.5, "smoke": 1, "metallic": 1.5,
        "debris": 1.5, "scrap": 2, "machinery": 2.5, "gear": 1.5, "sci fi": 1, "abandoned": 1,
        "shipyard": 3.5, "power plant": 4, "toxic": 2,
    },
    "underwater": {
        "underwater": 7, "undersea": 6, "coral": 4.5, "reef": 4, "seabed": 5, "ocean floor": 6, "kelp": 4.5,
        "aquarium": 4.5, "deep sea": 5, "fish": 2.5, "bubble": 1.5, "seaweed": 3, "jellyfish": 3.5,
        "submerged": 3,
    },
    "space": {
        "outer space": 6, "galaxy": 4.5, "planet": 4.5, "nebula": 5, "cosmic": 4, "cosmos": 5, "space": 2.5,
        "space station": 3, "spaceship": 4, "spacecraft": 4, "lunar": 4.5, "moonscape": 5, "mars": 5,
        "martian": 5, "desert planet": 5, "colony": 2,
        "alien": 3.5, "starfield": 4.5, "asteroid": 4.5, "orbit": 3.5, "interstellar": 5,
        "extraterrestrial": 4,
    },
    "city": {
        "skyline": 4.5, "cityscape": 4.5, "metropolis": 4.5, "city": 4, "cyberpunk": 4, "downtown": 4,
        "skyscraper": 4, "rooftop": 4, "urban": 3, "street": 2.5, "avenue": 3, "boulevard": 3, "neon": 2,
        "traffic": 2.5, "billboard": 2.5, "alley": 2.5, "alleyway": 2.5, "crosswalk": 3, "high rise": 3.5,
        "building": 1.5, "futuristic": 1.5, "plaza": 2, "bridge": 1.5, "tower": 1, "car": 1,
        "headlight": 1.5, "balcony": 2, "penthouse": 3, "subway": 2, "tokyo": 3.5, "york": 3.5,
        "manhattan": 4, "shanghai": 4, "hong kong": 4, "times square": 4, "synthwave": 5, "vaporwave": 5,
    },
    "mountain": {
        "mountain": 4.5, "mountaintop": 4.5, "mountainside": 4.5, "peak": 3.5, "alpine": 3.5, "alps": 4,
        "summit": 4, "valley": 4, "forested valley": 4, "canyon": 5, "gorge": 4, "ravine": 3.5,
        "cliff": 2.5, "ruin": 3.5, "glacier": 4, "volcano": 4.5, "volcanic": 3.5, "ridge": 2.5, "mesa": 4,
        "rocky": 1.5, "waterfall": 1.5, "highland": 3, "himalaya": 4, "fjord": 3, "temple": 2, "crag": 3,
        "badlands": 4, "plateau": 2.5, "monastery": 2.5,
    },
    "shore": {
        "beach": 4.5, "ocean": 4, "seaside": 4.5, "shore": 4, "shoreline": 4, "coast": 4, "coastline": 4,
        "coastal": 3, "sea": 3.5, "lake": 5, "lakeside": 5, "lakeshore": 5, "lagoon": 4, "harbor": 3.5,
        "harbour": 3.5, "pier": 3.5, "dock": 2.5, "surf": 3, "tide": 3, "island": 2.5, "bay": 2,
        "pond": 2.5, "lighthouse": 3, "wave": 1, "sand": 1.5, "sandy": 1.5, "tropical": 1.5, "palm": 2,
        "seagull": 2, "sailboat": 2.5, "boat": 1.5, "yacht": 2.5, "cliff": 1, "river": 2, "riverbank": 3,
        "water": 0.5, "reflection": 0.5, "salt flat": 6, "mangrove": 4, "headland": 4,
    },
    "forest": {
        "forest": 4, "woodland": 4, "woods": 3.5, "jungle": 4.5, "rainforest": 5, "grove": 3, "bamboo": 4.5,
        "cherry blossom": 3, "cherry tree": 3, "sakura": 4, "blossom": 2, "park": 2.5, "city park": 3,
        "garden": 2.5, "orchard": 3, "pine": 2, "conifer": 3, "evergreen": 2, "birch": 2.5, "maple": 2.5,
        "oak": 2,
        "redwood": 3, "willow": 2, "canopy": 1.0, "undergrowth": 2, "fern": 2, "moss": 1.5, "mossy": 1.5,
        "trunk": 1.5, "clearing": 2, "glade": 3, "enchanted": 1.5, "forested": 1.5, "trail": 1, "tree": 1,
        "foliage": 1, "leaf": 0.5, "waterfall": 2, "path": 0.25, "glasshouse": 6, "greenhouse": 4,
    },
    "meadow": {
        "meadow": 4, "prairie": 5, "vineyard": 5, "grassland": 4, "field": 3, "farmland": 4, "farm": 3,
        "countryside": 3.5, "pasture": 4, "savanna": 4, "savannah": 4, "desert": 4.5, "dune": 4.5,
        "sahara": 4.5, "steppe": 4, "tundra": 3, "lavender": 3.5, "sunflower": 3, "wildflower": 2.5,
        "tulip": 3, "wheat": 3, "grapevine": 2, "vine": 1.5, "hillside": 2.5, "rolling hill": 2,
        "hill": 1.5, "grass": 1.5, "grassy": 1.5, "plain": 2, "flower": 1, "barn": 2, "windmill": 2,
        "stream": 1, "landscape": 1.5, "horizon": 0.75, "sky": 0.25, "moor": 5, "moorland": 5, "heath": 4,
        "heather": 3.5, "rice terrace": 6, "rice paddy": 5, "terrace": 1.5, "snowfield": 5.5, "arctic": 3,
        "cacti": 3, "cactus": 3, "saguaro": 3.5, "hilltop": 2.5,
    },
}  # fmt: skip

# The first kind of a family is what it is when no word says more.
KIND_TERMS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "shore": {
        "beach": ("beach", "sand", "sandy", "surf", "seaside"),
        "tropical": (
            "tropical", "palm", "palm frond", "lagoon", "island", "caribbean", "hawaii", "coconut",
        ),
        "lake": (
            "lake", "lakeside", "lakeshore", "pond", "river", "riverbank", "dock", "harbor", "harbour",
            "fjord", "salt flat", "mangrove", "channel",
        ),
        "coast": ("cliff", "rocky", "rock", "lighthouse", "crashing", "coast", "coastal", "headland"),
    },
    "forest": {
        "woods": ("woodland", "oak", "birch", "maple", "enchanted"),
        "conifer": (
            "pine", "conifer", "evergreen", "redwood", "fir", "spruce", "snow", "snowy", "winter", "frost",
        ),
        "jungle": (
            "jungle", "rainforest", "tropical", "vine", "fern", "exotic", "glasshouse", "greenhouse",
        ),
        "bamboo": ("bamboo",),
        "park": ("park", "garden", "orchard", "tree lined"),
        "blossom": ("blossom", "sakura", "cherry", "cherry blossom", "petal", "magnolia"),
    },
    "meadow": {
        "meadow": (
            "meadow", "stream", "brook", "pasture", "countryside", "rice terrace", "snowfield", "arctic",
        ),
        "prairie": (
            "prairie", "wheat", "grassland", "savanna", "savannah", "steppe", "tall grass", "plain",
            "barley",
        ),
        "flowers": (
            "wildflower", "flower", "lavender", "sunflower", "tulip", "poppy", "daisy", "heather", "moor",
        ),
        "vineyard": ("vineyard", "grapevine", "vine", "grape", "orchard"),
        "dunes": ("desert", "dune", "sahara", "sand", "sandy", "cactus", "cacti", "saguaro"),
        "landscape": ("silhouette", "landscape", "horizon", "hilltop"),
    },
    "city": {
        "skyline": (
            "skyline", "cityscape", "metropolis", "city", "skyscraper", "rooftop", "balcony", "river",
            "synthwave", "vaporwave", "horizon",
        ),
        "neon": (
            "neon", "cyberpunk", "alley", "alleyway", "street", "avenue", "billboard", "tokyo", "crosswalk",
        ),
    },
    "mountain": {
        "peaks": ("peak", "summit", "alps", "alpine", "glacier", "himalaya", "snow capped"),
        "valley": ("valley", "mist", "misty", "forested", "forest", "fog"),
        "canyon": ("canyon", "gorge", "mesa", "badlands", "desert", "volcano", "volcanic", "ravine"),
        "ruins": ("ruin", "temple", "ancient", "column", "stone ruin", "castle", "monastery"),
    },
    "interior": {
        "living": ("living room", "bedroom", "room", "apartment", "sofa", "couch", "home"),
        "library": ("library", "study", "book", "bookshelf", "bookcase", "bookstore", "bookshop", "office"),
        "cafe": (
            "cafe", "coffee shop", "coffee", "restaurant", "bar", "bakery", "lounge", "kitchen", "diner",
            "disco", "nightclub", "dance floor", "ballroom",
        ),
        "workshop": ("workshop", "garage", "studio", "tool", "lab", "laboratory", "attic", "blacksmith"),
    },
    "village": {
        "medieval": (
            "medieval", "village", "thatched", "cottage", "torch", "torchlight", "castle", "tavern",
        ),
        "european": (
            "street cafe", "european", "cafe", "paris", "parisian", "italian", "venice", "street lamp",
            "boulevard", "old town", "town", "vintage", "canal", "suburban", "victorian", "gaslight",
        ),
    },
    "industrial": {
        "wasteland": ("wasteland", "industrial"),
        "factory": ("factory", "steampunk", "foundry"),
    },
    "space": {
        "planet": ("outer space", "planet", "orbit", "galaxy", "nebula", "cosmos"),
        "ground": (
            "mars", "desert planet", "red planet", "desert", "colony", "surface", "martian", "lunar",
            "moonscape", "alien", "crater",
        ),
    },
    "underwater": {
        "reef": ("reef", "coral"),
        "deep": ("deep sea", "ocean floor", "kelp"),
    },
}  # fmt: skip

SEASON_TERMS: Final[dict[str, dict[str, float]]] = {
    "spring": {
        "spring": 3, "springtime": 3, "blossom": 1.5, "bloom": 1, "budding": 1.5, "cherry": 1, "petal": 0.5,
        "tulip": 1.5, "melting": 1, "fresh": 0.5, "sakura": 2,
    },
    "autumn": {
        "autumn": 3, "autumnal": 3, "fall foliage": 3, "fall color": 3, "fall colour": 3, "october": 2,
        "falling leaf": 1.5, "fallen leaf": 2, "harvest": 1.5, "maple": 1, "amber leaf": 2, "pumpkin": 2,
        "crimson leaf": 2, "orange leaf": 2, "golden leaf": 1.5,
    },
    "winter": {
        "winter": 3, "wintry": 3, "snow": 2, "snowy": 2.5, "snowfall": 2.5, "snowflake": 2.5, "ice": 1,
        "icy": 1.5, "frozen": 2, "frost": 2, "frosty": 2, "blizzard": 3, "christmas": 2, "glacier": 1,
        "snow capped": -2, "melting snow": -2,
    },
    "summer": {"summer": 3, "summery": 3, "tropical": 1.5, "lush": 0.5, "sunflower": 1, "beach": 0.5},
}  # fmt: skip

TIME_TERMS: Final[dict[str, dict[str, float]]] = {
    "night": {
        "night": 3, "nighttime": 3, "midnight": 3, "moonlight": 2.5, "moonlit": 3, "moon": 1, "starry": 2.5,
        "star": 1, "nocturnal": 3, "disco": 2, "nightclub": 2, "dance floor": 1,
        "aurora": 2.5, "northern light": 2.5, "cyberpunk": 1.5,
        "firefly": 1.5, "bonfire": 1, "campfire": 1,
    },
    "twilight": {
        "twilight": 3, "dusk": 3, "evening": 2, "sunset": 2.5, "fading sun": 2, "afterglow": 3,
        "blue hour": 3, "setting sun": 2.5, "nightfall": 3, "last ray": 1,
    },
    "golden": {
        "golden hour": 4, "golden light": 1.5, "golden sunlight": 1.5, "late afternoon": 3,
        "warm light": 0.75, "sunlit": 0.5, "golden": 0.5, "golden ray": 1, "amber": 0.5, "low sun": 2,
    },
    "dawn": {
        "dawn": 3, "sunrise": 3, "daybreak": 3, "first light": 3, "rising sun": 2.5, "early morning": 1,
    },
    "morning": {"morning": 3, "misty morning": 0.5, "dew": 1},
    "noon": {
        "noon": 3, "midday": 3, "daytime": 2.5, "daylight": 2, "blue sky": 2.5, "bright": 0.5, "sunny": 1.5,
        "day": 1, "afternoon": 1.5,
    },
}  # fmt: skip

WEATHER_TERMS: Final[dict[str, dict[str, float]]] = {
    "storm": {
        "storm": 3, "stormy": 3, "thunder": 3, "thunderstorm": 4, "lightning": 2, "tempest": 3,
        "blizzard": 3,
    },
    "rain": {
        "rain": 3, "rainy": 3, "raindrop": 2.5, "drizzle": 3, "downpour": 3.5, "rainfall": 3, "monsoon": 3,
    },
    "fog": {"fog": 2.5, "foggy": 3, "mist": 2.5, "misty": 3, "smog": 2},
    "cloudy": {
        "overcast": 3, "cloudy": 3, "gray sky": 3, "grey sky": 3, "gloomy": 2.5, "moody": 1.5,
        "dramatic sky": 2,
    },
    "clear": {"clear": 1.5, "cloudless": 3, "sunny": 1, "blue sky": 1.5, "sunlit": 1, "sunlight": 0.5},
}  # fmt: skip

STYLE_TERMS: Final[dict[str, dict[str, float]]] = {
    "oil": {
        "oil painting": 4, "oil paint": 4, "van gogh": 4, "impressionist": 4, "impressionism": 4,
        "painterly": 3, "brushstroke": 3, "brush stroke": 3, "renaissance": 2.5, "canvas": 1,
        "baroque": 2.5, "monet": 4,
    },
    "watercolour": {
        "watercolor": 4, "watercolour": 4, "ink wash": 4, "ink painting": 4, "pastel": 1.5, "storybook": 2,
        "ukiyo": 3, "sketch": 1.5,
    },
    "anime": {
        "anime": 4, "ghibli": 4, "manga": 3.5, "cartoon": 3, "animated film": 3, "cel shaded": 4,
        "comic": 3, "pixar": 3, "disney": 3,
    },
    "noir": {
        "noir": 4, "black and white": 4, "monochrome": 3.5, "monochromatic": 3.5, "grayscale": 4,
        "silent film": 4,
    },
    "cyberpunk": {
        "cyberpunk": 4, "synthwave": 4, "vaporwave": 4, "neon": 1.5, "tron": 3, "futuristic": 1, "disco": 3,
    },
    "vintage": {
        "vintage": 3, "retro": 3, "sepia": 4, "nostalgic": 2.5, "old film": 4, "antique": 2, "1920s": 3,
        "victorian": 2, "western": 1.5, "polaroid": 4,
    },
    "fantasy": {
        "fantasy": 3, "enchanted": 2, "magical": 2.5, "fairytale": 3, "fairy": 2, "ethereal": 2,
        "dreamy": 2.5, "dreamlike": 2.5, "mystical": 2.5, "surreal": 2,
    },
}  # fmt: skip

# Signed steps of the energy of motion; `match` squashes their sum into 0..1 around 0.5.
ENERGY_TERMS: Final[dict[str, float]] = {
    "gentle": -0.22, "gently": -0.22, "soft": -0.08, "softly": -0.18, "slow": -0.25, "slowly": -0.25,
    "serene": -0.22, "still": -0.3, "calm": -0.3, "calmly": -0.3, "quiet": -0.25, "tranquil": -0.3,
    "peaceful": -0.25, "subtle": -0.15, "subtly": -0.15, "slight": -0.15, "slightly": -0.15,
    "light breeze": -0.1, "delicate": -0.1, "delicately": -0.1, "lazily": -0.25, "static": -0.3,
    "vigorous": 0.6, "vigorously": 0.6, "crash": 0.6, "strong": 0.45, "stormy": 0.6, "storm": 0.5,
    "lively": 0.45, "dynamic": 0.3, "bustling": 0.4, "windy": 0.4, "windswept": 0.3, "gust": 0.35,
    "gusty": 0.4, "swirl": 0.25, "whip": 0.45, "violent": 0.7, "violently": 0.7, "fierce": 0.6,
    "fiercely": 0.6, "rage": 0.6, "intense": 0.35, "fast": 0.35, "rapid": 0.4, "rapidly": 0.4, "rush": 0.35,
    "blizzard": 0.6, "turbulent": 0.6, "energetic": 0.45, "powerful": 0.4, "dramatic": 0.15, "howl": 0.5,
    "churn": 0.5, "roar": 0.5, "wild": 0.2, "chaotic": 0.5, "vibrant": 0.05,
}  # fmt: skip

PARTICLE_TERMS: Final[dict[str, tuple[str, ...]]] = {
    "snow": (
        "snowfall", "snowflake", "falling snow", "snow fall", "snowing", "blizzard", "flurry",
        "drifting snow", "snow drift", "gentle snow", "light snow", "flake",
    ),
    "rain": ("rain", "raindrop", "drizzle", "downpour", "rainfall", "rainy", "thunderstorm", "monsoon"),
    "petals": ("petal",),
    "leaves": (
        "falling leaf", "leaf fall", "swirling leaf", "drifting leaf", "leaf drift", "leaf swirl",
        "fallen leaf", "autumn leaf", "leaf flutter", "fluttering leaf",
    ),
    "embers": ("ember", "spark", "bonfire", "campfire", "cinder"),
    "ash": ("ash", "debris", "soot"),
    "dust": ("dust", "mote", "pollen", "particle", "sand drift", "sandstorm"),
    "fireflies": (
        "firefly", "glowing orb", "mote of light", "magical light", "fairy light", "glowworm",
        "bioluminescent", "glowing particle",
    ),
    "droplets": ("droplet", "spray", "dewdrop"),
    "bubbles": ("bubble",),
}  # fmt: skip

FEATURE_TERMS: Final[dict[str, tuple[str, ...]]] = {
    "rays": (
        "ray", "sunbeam", "sunray", "light shaft", "shaft of light", "sunlight filter",
        "light filter", "sunlight filtering", "god ray",
    ),
    "birds": ("bird", "seagull", "gull", "swallow", "crane", "dove", "flock"),
    "people": ("passerby", "pedestrian", "people", "crowd", "bustling", "stroll", "townsfolk"),
    "fog": ("fog", "mist", "haze", "misty", "foggy", "hazy", "steam", "vapor"),
    "stream": ("stream", "brook", "creek", "flowing water", "rivulet"),
    "lavender": ("lavender", "heather"),
    "sunflowers": ("sunflower",),
    "melting": ("melting", "melting snow", "snow patch", "patch of snow", "thaw"),
    "aurora": ("aurora", "northern light"),
    "palms": ("palm",),
    "dock": ("dock", "pier", "jetty", "boardwalk"),
    "neon": ("neon",),
    "fireplace": ("fireplace", "hearth"),
    "waterfall": ("waterfall", "cascade"),
    "railing": ("rooftop", "balcony", "railing", "terrace"),
    "water": ("river", "lake", "water", "bay", "harbor", "harbour", "reflection"),
}  # fmt: skip
