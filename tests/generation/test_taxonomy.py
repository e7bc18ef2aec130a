import re
from collections import Counter
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.generation.taxonomy import (
    PLACES,
    Taxonomy,
    TaxonomyScene,
    load_taxonomy,
    match_prompt,
    parse_taxonomy,
)
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import TAXONOMY_THEMES

TAXONOMY = load_taxonomy()
SCENES = TAXONOMY.all_scenes


def clause_pairs(scene: TaxonomyScene) -> list[tuple[str, str]]:
    """The participial and the finite form of every clause of a scene."""
    return [
        *zip(scene.moves, scene.moves_finite, strict=True),
        *zip(scene.light, scene.light_finite, strict=True),
    ]


def participles(finite: str) -> set[str]:
    """Every spelling that English could give the participle of a finite verb."""
    bases = {finite, finite.removesuffix("s"), finite.removesuffix("es"), re.sub("ies$", "y", finite)}
    forms = {base + "ing" for base in bases}
    forms |= {base + base[-1] + "ing" for base in bases}
    forms |= {base.removesuffix("e") + "ing" for base in bases}
    return forms | {base.removesuffix("ie") + "ying" for base in bases}


def test_size_is_that_of_the_paper():
    subthemes = [(theme, subtheme) for theme in TAXONOMY_THEMES for subtheme in TAXONOMY.subthemes(theme)]
    assert len(subthemes) >= 22
    assert len(SCENES) >= 100
    drawn = [scene for scene in SCENES if scene.is_drawn]
    assert len(drawn) >= 60
    assert len({(scene.theme, scene.subtheme) for scene in drawn}) >= 22
    assert min(Counter((scene.theme, scene.subtheme) for scene in SCENES).values()) >= 4


def find(taxonomy: Taxonomy, theme: str, keyword: str) -> TaxonomyScene:
    return next(scene for scene in taxonomy.scenes(theme) if scene.keyword == keyword)


def test_keywords_are_unique_within_a_theme():
    for theme in TAXONOMY_THEMES:
        scenes = TAXONOMY.scenes(theme)
        assert len({scene.keyword for scene in scenes}) == len(scenes)
        assert all(scene.keyword == f"{scene.subtheme}: {scene.name}" for scene in scenes)


@pytest.mark.parametrize(
    "keyword", ["urban: rooftop overlooking skyline", "landmark: ancient stone ruins with wind-swept grass"]
)
def test_keywords_known_from_upstream_are_in_it(keyword):
    assert find(TAXONOMY, "location", keyword)


def test_no_words_are_said_twice():
    said = [text for scene in SCENES for text in (scene.name, scene.setting, *scene.moves, *scene.light)]
    assert [text for text, count in Counter(said).items() if count > 1] == []


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.keyword)
def test_clauses_are_well_formed(scene):
    assert 2 <= len(scene.moves) <= 4
    assert 1 <= len(scene.light) <= 2
    for doing, does in clause_pairs(scene):
        changed = [(a, b) for a, b in zip(doing.split(), does.split(), strict=True) if a != b]
        assert len(changed) == 1, doing
        assert changed[0][0] in participles(changed[0][1]), changed
        assert not re.search(r",|\b(and|with|while|where)\b", doing), "one idea a clause"
        assert doing[0].islower() or doing.startswith("Mediterranean")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.keyword)
def test_verbs_agree_with_singular_subjects(scene):
    for doing, does in clause_pairs(scene):
        pairs = zip(doing.split(), does.split(), strict=True)
        verb = next(finite for participle, finite in pairs if participle != finite)
        if re.match(r"(a|an|one|each|every) ", does):
            assert verb.endswith("s"), does


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.keyword)
def test_articles_fit_and_settings_read_after_a_verb(scene):
    texts = (scene.setting, *scene.moves, *scene.light)
    for text in texts:
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text
    assert not re.search(r",|\b(with|where|while)\b", scene.setting)
    assert scene.place in PLACES


def test_a_season_is_named_by_its_scenes():
    for scene in TAXONOMY.scenes("season"):
        assert scene.subtheme in scene.setting


def test_openve3m_has_no_scenes_and_other_words_are_no_themes():
    assert TAXONOMY.scenes("openve3m") == ()
    with pytest.raises(ConfigError, match="not a theme"):
        TAXONOMY.scenes("weather")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit.",
        "Make the person smile and wear a red hat while walking slowly toward the camera.",
        "Place the subject on the moon, with Earth rising over the lunar horizon and footprints in the dust.",
        "Remove the watermark, sharpen the video and increase the frame rate.",
        "Replace the background with a plain white studio backdrop and soft shadows.",
        "The quarterly report shows a rise in revenue, driven by demand for subscription software.",
    ],
)
@pytest.mark.parametrize("theme", [*TAXONOMY_THEMES, "openve3m"])
def test_a_prompt_about_something_else_matches_nothing(theme, prompt):
    assert match_prompt(theme, prompt) is None


@pytest.mark.parametrize(
    ("theme", "prompt", "keyword"),
    [
        (
            "location",
            "A sandy tropical beach where the palms lean over blue waves.",
            "palm-lined tropical beach",
        ),
        ("season", "Cherry blossoms drift across a park in spring.", "cherry blossom park"),
        ("time", "The moonlit lake lies quiet under a silver moon.", "moonlit lake"),
        ("style", "Turn it into a cyberpunk city of holograms and neon towers.", "cyberpunk megacity"),
        ("location", "An old library: tall bookshelves, a green lamp, heavy curtains.", "classic library"),
    ],
)
def test_a_prompt_in_other_words_finds_its_scene(theme, prompt, keyword):
    assert match_prompt(theme, prompt).name == keyword


def test_a_match_stays_within_the_theme_that_was_asked_for():
    prompt = "A cyberpunk megacity of stacked walkways with holograms above the crowd."
    assert match_prompt("style", prompt).name == "cyberpunk megacity"
    assert match_prompt("season", prompt) is None
    assert match_prompt("openve3m", prompt) is None
    with pytest.raises(ConfigError, match="not a theme"):
        match_prompt("weather", prompt)


def test_one_word_is_never_enough():
    for scene in SCENES:
        for word in set(re.findall(r"[a-z0-9]+", scene.keyword.lower())):
            assert match_prompt(scene.theme, f"Show a {word}.") is None


@given(st.sampled_from(SCENES), st.randoms(use_true_random=False))
def test_order_and_case_of_words_do_not_matter(scene, random):
    shuffled = f"{scene.setting} {scene.moves[0]}".upper().split()
    random.shuffle(shuffled)
    assert match_prompt(scene.theme, " ".join(shuffled)) is scene


VALID = """
[[location.urban]]
name = "roof terrace"
place = "on"
setting = "a roof terrace above the town"
moves = ["flags {wave|waving} on their poles", "a gull {circles|circling} above"]
light = ["low sun {warms|warming} the bricks"]
[[season.winter]]
name = "ice rink"
setting = "an outdoor ice rink"
moves = ["skaters {turn|turning} slowly", "snow {falls|falling}"]
light = ["lamps {glow|glowing} around it"]
[[time.night]]
name = "quay"
setting = "a quay at night"
moves = ["boats {rock|rocking} on the tide", "ropes {creak|creaking}"]
light = ["a lamp {swings|swinging} over the steps"]
[[style."science fiction"]]
name = "hangar"
setting = "a hangar for starships"
moves = ["drones {hover|hovering} above the deck", "a crane {turns|turning}"]
light = ["strip lights {flicker|flickering} along the ribs"]
"""


def parse(text: str) -> Taxonomy:
    return parse_taxonomy(text.encode(), where="here.toml")


def test_the_packaged_file_reads_as_any_other():
    text = files("sparkle.generation").joinpath("taxonomy.toml").read_text("utf-8")
    assert parse(text) == TAXONOMY


def test_a_small_file_reads_as_written():
    taxonomy = parse(VALID)
    assert find(taxonomy, "location", "urban: roof terrace") == TaxonomyScene(
        theme="location",
        subtheme="urban",
        name="roof terrace",
        setting="a roof terrace above the town",
        moves=("flags waving on their poles", "a gull circling above"),
        light=("low sun warming the bricks",),
        moves_finite=("flags wave on their poles", "a gull circles above"),
        light_finite=("low sun warms the bricks",),
        place="on",
    )
    assert find(taxonomy, "season", "winter: ice rink").place == "in"


CLAUSE = "a gull {circles|circling} above"


DRAWN = VALID.replace(
    'moves = ["flags', 'layers = [{ is = "sky" }, { is = "birds", name = "gulls" }]\nmoves = ["flags'
)
DRAWN = DRAWN.replace('"flags {', '"gulls: flags {').replace('"a gull {', '"gulls: a gull {')
DRAWN = DRAWN.replace('"low sun {', '"sky: low sun {')


def test_a_drawn_scene_says_which_layer_shows_a_clause():
    scene = find(parse(DRAWN), "location", "urban: roof terrace")
    assert (scene.moves_shown_by, scene.light_shown_by) == (("gulls", "gulls"), ("sky",))
    assert scene.moves == ("flags waving on their poles", "a gull circling above")
    assert scene.is_drawn
    assert not find(parse(DRAWN), "time", "night: quay").is_drawn


@pytest.mark.parametrize(
    ("old", "new", "problem", "where"),
    [
        ('"sky: low sun', '"sun: low sun', "names a layer that the recipe has not", "urban/0/light/0"),
        ('"sky: low sun', '"low sun', "not a clause", "location.urban/0/light/0"),
        ('{ is = "sky" }', '{ name = "sky" }', "not a layer", "location.urban/0/layers/0"),
        ('{ is = "sky" }', "{ is = 1 }", "not a layer", "location.urban/0/layers/0"),
        ('"ropes {', '"sky: ropes {', "not plain words", "time.night/0/moves/1"),
    ],
)
def test_a_clause_without_its_layer_is_refused(old, new, problem, where):
    assert old in DRAWN
    with pytest.raises(ConfigError, match=problem) as caught:
        parse(DRAWN.replace(old, new, 1))
    assert where in caught.value.where


@pytest.mark.parametrize(
    ("old", "new", "problem", "where"),
    [
        ("[[time.night]]", "[[time.night]", "not TOML", "here.toml"),
        ("[[time.night]]", "[[hour.night]]", "not the themes", "here.toml"),
        ("[[season.winter]]", "[weather]\n[[season.winter]]", "not the themes", "here.toml"),
        ("[[location.urban]]", "[location]\nurban = []\n[location.coast]", "no scenes", "location.urban"),
        ("[[location.urban]]", "[location.urban]", "no scenes", "location.urban"),
        ('[[style."science fiction"]]', '[[style."a: b"]]', "not plain words", "style.a: b"),
        ('place = "on"', 'preposition = "on"', "unknown key", "location.urban/0/preposition"),
        ('place = "on"', 'place = "near"', "not a place", "location.urban/0/place"),
        ('place = "on"', "place = 1", "wrong type", "location.urban/0/place"),
        ('name = "quay"', "", "missing key", "time.night/0"),
        ('name = "quay"', 'name = ""', "not plain words", "time.night/0/name"),
        ('"a quay at night"', '"a  quay at night"', "not plain words", "time.night/0/setting"),
        ('"a quay at night"', '"a quay, at night"', "not plain words", "time.night/0/setting"),
        (f', "{CLAUSE}"', "", "too few", "location.urban/0/moves"),
        (f'"{CLAUSE}"', ", ".join([f'"{CLAUSE}"'] * 4), "or too many", "location.urban/0/moves"),
        (CLAUSE, "a gull circling above", "not a clause", "location.urban/0/moves/1"),
        (CLAUSE, "{circles|circling} above", "not a clause", "location.urban/0/moves/1"),
        (CLAUSE, "a gull {circling|circles} above", "not a clause", "location.urban/0/moves/1"),
        (CLAUSE, CLAUSE + " {and|anding}", "not a clause", "location.urban/0/moves/1"),
        (CLAUSE, CLAUSE + ".", "not plain words", "location.urban/0/moves/1"),
        ('["low sun {warms|warming} the bricks"]', "[]", "too few", "location.urban/0/light"),
        (
            "[[season.winter]]",
            VALID.split("[[season.winter]]")[0] + "[[season.winter]]",
            "a keyword occurs twice",
            "location",
        ),
    ],
)
def test_a_broken_file_is_refused_and_says_where(old, new, problem, where):
    assert old in VALID
    with pytest.raises(ConfigError, match=problem) as caught:
        parse(VALID.replace(old, new, 1))
    assert "here.toml" in caught.value.where
    assert where in caught.value.where


def test_a_theme_without_subthemes_is_refused():
    with pytest.raises(ConfigError, match="no subthemes"):
        parse("season = {}\n" + VALID.replace("[[season.winter]]", "[[time.dusk]]"))


def test_a_file_that_is_not_utf_8_is_refused():
    with pytest.raises(ConfigError, match="not TOML"):
        parse_taxonomy(b'name = "caf\xe9"', where="here.toml")
