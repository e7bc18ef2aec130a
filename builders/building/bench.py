"""Which rejects of finished runs make a bench.

How it works
- A bench is made of samples that passed every stage but the last, whose rules rejected them: there is an
  instruction, a background image and a mask, and no pair to train on. What failed was not judged, and is no
  candidate. Rules are replayed over what was recorded, as for a release, so limits may be others.
- A source is in a bench once, over all themes. Sources with the same file, the same clip or scenes that look
  alike are one source (union-find). A source that the training release has, or that looks like one of its, is
  left out, and so is a prompt of it.
- Scenes are filled in turn, like water: the next sample goes to the theme that has the fewest, in it to the
  subtheme, in that to the scene. Within a scene the order is that of a hash of seed and id. No score is
  looked at, so a bench is neither the worst nor the best of what was rejected.
- What a previous bench has stays in as long as it may: then it comes first.
- Everything that is left out is counted by its reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from sparkle._processes import Pool
from sparkle._progress import Progress, silent
from sparkle.builders.bench.contamination import BenchSource, Trained, find_trained, source_jobs
from sparkle.builders.bench.folder import keyword_problem
from sparkle.builders.building.replay import Reject
from sparkle.builders.release.formats import NO_VALUES
from sparkle.media.frames import is_4k_plus_1
from sparkle.media.look_alike import NEAR, search, unpack_hashes
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import SOURCE_VIDEO

RULES = ("video_score", "measure")  # steps of the last stage that judge; upstream's rejects are the first's

TRAINED, ALIKE = "its source is trained on", "its source looks like one that is trained on"
REMOVED, UNWANTED = "it was taken down", "it was left out by hand"
SAME_PROMPT = "its prompt is trained on"
SAME_SOURCE = "another sample of the bench has its source"
FULL = "its scene has enough"

Scene = tuple[str, str, str]  # theme, subtheme, scene


@dataclass(frozen=True)
class BenchOptions:
    """How a bench is made.

    Attributes:
        seed: Decides which samples of a scene are taken.
        per_scene: The most samples of a scene.
        total: The most samples of the bench; None for as many as scenes take.
        themes: The themes that are taken; all when empty.
        rules: The steps whose rejects are taken.
    """

    seed: int = 0
    per_scene: int = 5
    total: int | None = None
    themes: tuple[str, ...] = ()
    rules: tuple[str, ...] = RULES[:1]


@dataclass(frozen=True)
class BenchChoice:
    """What a bench is made of.

    Attributes:
        samples: What was chosen, by theme, subtheme, scene and id.
        sources: What was read of their sources, by id.
        candidates: How many rejects there were to choose from.
        excluded: Why others were left out, and how many.
        short: Scenes that had too few, with how many they got.
        left: What of the previous bench did not stay, and why.
        unknown: What was to be left out and is no reject of these runs.
    """

    samples: tuple[Reject, ...]
    sources: Mapping[str, BenchSource]
    candidates: int
    excluded: Mapping[str, int]
    short: Mapping[Scene, int]
    left: Mapping[str, str]
    unknown: tuple[str, ...] = ()


def choose_samples(
    rejects: Sequence[Reject],
    trained: Sequence[Trained],
    options: BenchOptions,
    pool: Pool,
    progress: Progress = silent,
    *,
    accepted: Set[tuple[str, str]] = frozenset(),
    previous: Collection[str] = (),
    exclude: Collection[str] = (),
) -> BenchChoice:
    """Choose the samples of a bench.

    Args:
        rejects: What the last stage rejected.
        trained: What the bench must be apart from.
        options: See `BenchOptions`.
        pool: Runs what reads sources.
        progress: Reports progress.
        accepted: Pairs of a sample and one that is trained on which look alike and are not.
        previous: The ids of the previous bench.
        exclude: Ids of samples whose sources are left out.
    """
    ruled = [reject for reject in rejects if reject.rule in options.rules]
    unwanted = {reject.source.sha256 for reject in rejects if reject.id in exclude}
    reasons = {reject.id: UNWANTED for reject in ruled if reject.source.sha256 in unwanted}
    for place in trained:
        for reject in ruled:
            if place.removed.has_source(reject.source.sha256) or place.removed.has_id(reject.id):
                reasons[reject.id] = REMOVED
    prompts = {prompt for place in trained for prompt in place.prompts}
    for reject in ruled:
        if (reason := _unfit(reject, options, prompts)) is not None:
            reasons.setdefault(reject.id, reason)
    fit = [reject for reject in ruled if reject.id not in reasons]
    sources = _read_sources(fit, pool, progress)
    for source in sources:
        if source.problem is not None:
            reasons[source.id] = "its source video cannot be read"
    for place in trained:
        for match in find_trained(sources, place, accepted, within=NEAR):
            same = match.level in ("bytes", "pictures")
            reasons.setdefault(match.source.id, TRAINED if same else ALIKE)
        for reject in fit:
            if reject.source.sha256 in place.known:
                reasons[reject.id] = TRAINED
    left = [reject for reject in fit if reject.id not in reasons]
    read = {source.id: source for source in sources}
    groups = _same_sources(left, read)
    taken, why, short = _fill(left, groups, options, previous)
    reasons |= why
    chosen = sorted((reject for reject in left if reject.id in taken), key=_order)
    known = {reject.id for reject in ruled}
    gone = {
        sample_id: reasons.get(sample_id, "not a reject of these runs and rules")
        for sample_id in sorted(previous)
        if sample_id not in taken
    }
    return BenchChoice(
        samples=tuple(chosen),
        sources={reject.id: read[reject.id] for reject in chosen},
        candidates=len(known),
        excluded=dict(sorted(Counter(reasons.values()).items())),
        short=short,
        left=gone,
        unknown=tuple(sorted({*exclude} - {reject.id for reject in rejects})),
    )


def scene_of(reject: Reject) -> Scene:
    """The theme, subtheme and scene of a sample with a keyword."""
    subtheme, _, scene = (reject.compose.metadata.chosen_keyword or "").partition(": ")
    return theme_of(reject.id), subtheme, scene


def _order(reject: Reject) -> tuple[int, str, str, str]:
    theme, subtheme, scene = scene_of(reject)
    return THEMES.index(theme), subtheme, scene, reject.id


def _unfit(reject: Reject, options: BenchOptions, prompts: Set[str]) -> str | None:
    """Why a reject is no sample of a bench, whatever its source shows."""
    if options.themes and theme_of(reject.id) not in options.themes:
        return "of another theme"
    if (problem := keyword_problem(reject.compose.metadata.chosen_keyword)) is not None:
        return problem
    if not is_4k_plus_1(reject.normalise.frames):
        return "its clip is not 4k + 1 frames long"
    if reject.compose.prompt in NO_VALUES:
        return "readers of csv take its prompt for no value"
    return SAME_PROMPT if reject.compose.prompt in prompts else None


def _read_sources(rejects: Sequence[Reject], pool: Pool, progress: Progress) -> list[BenchSource]:
    places = []
    for reject in rejects:
        artifact = reject.artifact(SOURCE_VIDEO)
        span = (artifact.offset, artifact.size) if artifact.offset else None
        places.append((reject.id, Path(artifact.file), span))
    jobs = source_jobs(places)
    found: list[BenchSource] = []
    with progress("reading sources", len(jobs)) as advance:
        for sources in pool(jobs):
            found += sources
            advance()
    return found


def _same_sources(rejects: Sequence[Reject], read: Mapping[str, BenchSource]) -> dict[str, int]:
    """Id -> the group of samples that have the same source, or ones that look alike."""
    parent = list(range(len(rejects)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(one: int, other: int) -> None:
        low, high = sorted((root(one), root(other)))
        parent[high] = low

    first: dict[str, int] = {}
    for index, reject in enumerate(rejects):
        for sha256 in (reject.source.sha256, read[reject.id].sha256):
            join(first.setdefault(sha256, index), index)
    sources = [read[reject.id] for reject in rejects]
    for pair in search(
        [source.variants for source in sources], unpack_hashes([source.hash for source in sources]), NEAR
    ):
        join(pair.query, pair.row)
    return {reject.id: root(index) for index, reject in enumerate(rejects)}


def _fill(
    rejects: Sequence[Reject], groups: Mapping[str, int], options: BenchOptions, previous: Iterable[str]
) -> tuple[set[str], dict[str, str], dict[Scene, int]]:
    """Fill scenes in turn: who is in, why others are not, and which scenes ran out."""
    waiting: defaultdict[Scene, list[Reject]] = defaultdict(list)
    for reject in sorted(rejects, key=lambda one: sha256_bytes(f"{options.seed} {one.id}".encode())):
        waiting[scene_of(reject)].append(reject)
    counts: Counter[tuple[str, ...]] = Counter()
    taken, used, why = set[str](), set[int](), dict[str, str]()
    most = len(rejects) if options.total is None else options.total

    def take(reject: Reject) -> None:
        scene = scene_of(reject)
        waiting[scene].remove(reject)
        taken.add(reject.id)
        used.add(groups[reject.id])
        counts.update((scene[:1], scene[:2], scene))

    def clear(scene: Scene) -> bool:
        """Pass over samples whose source is in by now; whether the scene has another one, and room."""
        if counts[scene] >= options.per_scene:
            return False
        while waiting[scene] and groups[waiting[scene][0].id] in used:
            why[waiting[scene].pop(0).id] = SAME_SOURCE
        return bool(waiting[scene])

    known = {reject.id: reject for reject in rejects}
    for sample_id in sorted(previous):
        if sample_id in known and len(taken) < most:
            reject = known[sample_id]
            if groups[sample_id] not in used and counts[scene_of(reject)] < options.per_scene:
                take(reject)
    while len(taken) < most and (open_scenes := [scene for scene in sorted(waiting) if clear(scene)]):
        scene = min(
            open_scenes,
            key=lambda one: (counts[one[:1]], counts[one[:2]], counts[one], len(waiting[one]), one),
        )
        take(waiting[scene][0])
    for scene in waiting:
        why |= {reject.id: SAME_SOURCE if groups[reject.id] in used else FULL for reject in waiting[scene]}
    level = options.per_scene
    if options.total is not None:
        level = max((counts[scene] for scene in waiting), default=0)
    low = [scene for scene in sorted(waiting) if counts[scene] < level]
    return taken, why, {scene: counts[scene] for scene in low if not clear(scene)}
