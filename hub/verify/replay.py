"""Level 4: samples, made again as the release says that they were made, are the same.

How it works
- A seed chooses the samples. Each step is run again on what the release holds (`replay_steps`), with the
  configuration of `provenance.json`, and compared (`replay_compare`): bytes on the CPU backend, else bands.
- Which of several runs a sample came from is not recorded: their configurations are tried one after another,
  and the one that comes farthest speaks.
- The finding of a sample is the first step that makes something else, with numbers. What later steps do is a
  note: each gets recorded inputs, so that their differences are their own.
- Previews of these samples and the recorded models are compared, too (`replay_said`).
- The source file itself is no part of a release: what is shown of step `normalise` is that it leaves the
  released clip as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sparkle._progress import Progress
from sparkle._scratch import scratch_folder
from sparkle.generation.config import RunConfig
from sparkle.generation.run.fingerprints import library_versions, processor
from sparkle.generation.run.local import LocalExecutor
from sparkle.hub.verify.recorded import Recorded, files_of, read_recorded, write_artifacts
from sparkle.hub.verify.replay_said import check_models, check_previews
from sparkle.hub.verify.replay_steps import Rerun, SampleResult, StepResult
from sparkle.hub.verify.report import LevelReport, NotProvedError, VerifyOptions
from sparkle.hub.verify.verified import Verified, choose_samples
from sparkle.schemas import layout
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.load import load
from sparkle.schemas.stages import STEP_BY_NAME

_SHARD = "shard"  # what differs between the shards of one run


@dataclass(frozen=True)
class RecordedConfig:
    """A configuration that a release records.

    Attributes:
        config: The configuration.
        packages: Versions of what decided bytes.
    """

    config: RunConfig
    packages: Mapping[str, str]

    def others(self) -> dict[str, tuple[str, str]]:
        """Package -> (recorded version, version here) where they differ; the processor is among them."""
        here = _decisive()
        return {
            name: (recorded, found)
            for name, recorded in self.packages.items()
            if (found := here.get(name) or _installed(name)) != recorded
        }

    @property
    def promises_bytes(self) -> bool:
        """Whether what decides bytes on a CPU, libraries and processor, is here what was recorded."""
        return not (self.others().keys() & _decisive().keys())


def verify_replay(
    release: Verified, report: LevelReport, options: VerifyOptions, progress: Progress, workers: int
) -> None:
    """Run samples again; what differs goes to the report."""
    document = release.provenance().document
    recipes = read_recipes(document)
    check_models(document, [read_recipe(run).config for run in document["runs"]], report)
    ids = choose_samples(release, options.sample, options.seed)
    if not release.local:
        text = files_of(release, ids)
        options.say(
            f"replay: {len(text)} files are fetched ({release.sizes(text):,} bytes), and {len(ids)} samples"
        )
    samples = read_recorded(release, ids)
    with scratch_folder() as scratch:
        folder = scratch / "recorded"
        whole = [recorded for recorded in samples if _take_out(release, recorded, folder, report)]
        with LocalExecutor(max(1, min(workers, len(whole)))) as executor:
            results = _best(recipes, whole, folder, scratch, executor, progress)
        exact = all(recipe.promises_bytes for recipe in recipes)
        check_previews(release, whole, folder, report, exact=exact)
    for result, recipe in results:
        _report(report, result, recipe)
    report.samples = len(samples)
    report.bytes = sum(member.size for recorded in samples for member in recorded.members.values())
    _tell(report, results)


def read_recipes(document: Mapping[str, Any]) -> list[RecordedConfig]:
    """The configurations that a provenance records, each once.

    Raises:
        NotProvedError: it records none, or none that this version understands.
    """
    if not document["runs"]:
        raise NotProvedError("the release was imported: nothing records how its samples were made")
    found: dict[bytes, RecordedConfig] = {}
    for run in document["runs"]:
        found.setdefault(canonical_json([_table(run), run["packages"]]), read_recipe(run))
    return list(found.values())


def read_recipe(run: Mapping[str, Any]) -> RecordedConfig:
    """The configuration of a recorded run; raises NotProvedError as `read_recipes` does."""
    try:
        return RecordedConfig(load(RunConfig, _table(run)), run["packages"])
    except (RecordError, ConfigError) as error:
        raise NotProvedError(
            "the recorded configuration is not one that this version understands",
            got=error.problem,
            where=error.where,
        ) from None


def _table(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run["config"].items() if name != _SHARD}


def _take_out(release: Verified, recorded: Recorded, folder: Path, report: LevelReport) -> bool:
    """Write a sample's artifacts; False, and a finding each, when some are not what the tables say."""
    wrong = write_artifacts(release, recorded, folder)
    for member in wrong:
        problem = "not replayed: another content than the sample's row names"
        report.note(member.file, problem, pointer=member.member, wanted=member.hex)
    if layout.SOURCE_VIDEO.name not in recorded.members:
        report.note(".", "not replayed: the release has no source video", pointer=recorded.id)
        return False
    return not wrong


def _best(
    recipes: Sequence[RecordedConfig],
    samples: Sequence[Recorded],
    folder: Path,
    scratch: Path,
    executor: LocalExecutor,
    progress: Progress,
) -> list[tuple[SampleResult, RecordedConfig]]:
    """Of each sample the configuration under which it comes farthest."""
    best: dict[str, tuple[SampleResult, RecordedConfig]] = {}
    for number, recipe in enumerate(recipes):
        open_samples = [one for one in samples if one.id not in best or best[one.id][0].first]
        if not open_samples:
            break
        rerun = Rerun(
            recipe.config,
            open_samples,
            folder,
            scratch / f"run{number}",
            promises_bytes=recipe.promises_bytes,
            executor=executor,
        )
        for result in rerun.run(progress):
            before = best.get(result.recorded.id)
            if before is None or result.reach > before[0].reach:
                best[result.recorded.id] = result, recipe
    return [best[sample_id] for sample_id in sorted(best)]


def _report(report: LevelReport, result: SampleResult, recipe: RecordedConfig) -> None:
    """The first step of a sample that differs as findings, the others as a note."""
    first = result.first
    if first is None:
        return
    recorded, stage = result.recorded, STEP_BY_NAME[first.step].stage
    problem = f"step {first.step} (stage {stage}) is the first that makes something else"
    if first.refused is not None:
        problem = f"step {first.step} (stage {stage}) is the first that differs: it does not keep the sample"
        report.note(
            _file_of(recorded, first, ""), problem, pointer=recorded.id, got=first.refused, wanted="kept"
        )
    for found in first.differences:
        if first.exact or not found.within:
            pointer = f"{recorded.id} {found.what}"
            wanted = found.wanted if found.what.startswith("/") else f"the recorded bytes ({found.wanted})"
            report.note(
                _file_of(recorded, first, found.what), problem, pointer=pointer, got=found.got, wanted=wanted
            )
    later = [step.step for step in result.steps if step.diverges and step is not first]
    if later:
        report.notes.append(
            f"{recorded.id}: given what was recorded, {', '.join(later)} make something else too"
        )


def _file_of(recorded: Recorded, step: StepResult, what: str) -> str:
    """The file of the release that holds what a step made or said."""
    if what in recorded.members:
        return recorded.members[what].file
    theme = theme_of(recorded.id)
    if step.step in layout.RECORD_FILES:
        return layout.record_file(theme, step.step)
    return layout.metadata_jsonl(theme) if step.step == "compose" else layout.data_folder(theme)


def _tell(report: LevelReport, results: Sequence[tuple[SampleResult, RecordedConfig]]) -> None:
    """What was proved, what could not be, and what differs between here and there."""
    steps = [step for result, _ in results for step in result.steps]
    tried = {step.step for step in steps if step.not_tried is None}
    if results and not tried:
        raise NotProvedError("no step can be tried here", got=steps[0].not_tried)
    missing = Counter((step.step, step.not_tried) for step in steps if step.not_tried is not None)
    for (step, reason), count in missing.items():
        report.notes.append(f"step {step} was not tried ({count} samples): {reason}")
    bands = sorted({step.step for step in steps if step.in_band})
    if bands:
        report.notes.append(f"within bands, not byte for byte: {', '.join(bands)}")
    versions = {line: None for _, recipe in results for line in _version_lines(recipe)}
    report.notes += versions
    if report.findings and not all(processor().keys() <= recipe.packages.keys() for _, recipe in results):
        report.notes.append(
            "the release does not record its processor: another one rounds the last bit of optical flow and "
            "remap differently (measured: a PSNR above 90 dB, measures apart by 0.0001)"
        )
    given = sorted(result.recorded.id for result, _ in results if result.given)
    if given:
        report.notes.append(f"the prompts of {len(given)} samples were taken as given, not composed")
    report.claim = f"{len(tried)} of 16 steps, run again on {len(results)} samples, make what was recorded"


def _version_lines(recipe: RecordedConfig) -> list[str]:
    return [
        f"{name} is {here or 'not installed'} here, the release was made with {recorded}"
        for name, (recorded, here) in sorted(recipe.others().items())
    ]


def _decisive() -> dict[str, str]:
    """What decides bytes on a CPU, as it is here."""
    return {**library_versions(), **processor()}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
