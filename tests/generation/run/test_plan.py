"""`sparkle plan`: hours, memory, disk and the funnel, from noted costs or from a trial run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from harness import ROOT
from sparkle.commands import main
from sparkle.generation.config import load_config
from sparkle.generation.run.plan import CPU, CPU_SECONDS, GPU, PUBLISHED_RATES, make_plan, trial_rates
from sparkle.generation.run.timings import Timings, read_timings
from sparkle.schemas.errors import ConfigError, RunError
from sparkle.schemas.stages import STEP_NAMES

CONFIGS = ROOT / "sparkle" / "configs"


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def plan_of(name: str, sources: int = 940_000):
    return make_plan(load_config(CONFIGS / f"{name}.toml"), sources)


def hours(plan, step: str):
    return next(one.hours for one in plan.steps if one.step == step)


def test_the_funnel_ends_where_upstreams_does():
    plan = plan_of("paper-fast")
    assert [step.step for step in plan.steps] == list(STEP_NAMES)
    camera = next(step for step in plan.steps if step.step == "camera")
    assert camera.kept == pytest.approx(224_000, rel=0.01)
    assert plan.kept == pytest.approx(140_000, rel=0.01)
    for before, after in zip(plan.steps, plan.steps[1:], strict=False):
        assert before.kept == after.reached


def test_hours_are_the_noted_ones():
    """Synthesis in 4 steps: 3,300 to 4,900; in 50 with guidance: 52,000 to 95,000 (the study's figures)."""
    fast, paper = hours(plan_of("paper-fast"), "synthesize"), hours(plan_of("paper"), "synthesize")
    assert (fast.low, fast.high) == (pytest.approx(3300, rel=0.1), pytest.approx(4900, rel=0.1))
    assert (paper.low, paper.high) == (pytest.approx(52_000, rel=0.1), pytest.approx(95_000, rel=0.1))
    track = hours(plan_of("paper"), "track")
    assert (track.low, track.high) == (pytest.approx(1400, rel=0.1), pytest.approx(2800, rel=0.1))


def test_totals_are_the_sums_of_the_steps():
    plan = plan_of("paper-fast")
    for device, total in plan.hours.items():
        steps = [step.hours for step in plan.steps if step.on == device]
        assert total.low == pytest.approx(sum(span.low for span in steps))
        assert total.high == pytest.approx(sum(span.high for span in steps))
    assert set(plan.hours) == {CPU, GPU}
    assert plan.vram_bytes == max(step.vram_bytes for step in plan.steps)
    assert plan.unknown == ()


def test_classical_takes_no_gpu_and_the_measured_time():
    plan = plan_of("classical", 1000)
    assert set(plan.hours) == {CPU}
    assert (plan.vram_bytes, plan.model_bytes) == (0, 0)
    reached = {step.step: step.reached for step in plan.steps}
    wanted = sum(CPU_SECONDS[name] * reached[name] for name in STEP_NAMES) / 3600
    assert plan.hours[CPU].low == pytest.approx(wanted, rel=0.01)


def test_twice_the_sources_cost_twice_the_hours_and_the_same_models():
    one, two = plan_of("paper-fast", 10_000), plan_of("paper-fast", 20_000)
    assert two.hours[GPU].high == pytest.approx(2 * one.hours[GPU].high)
    assert two.run_bytes == pytest.approx(2 * one.run_bytes, rel=0.001)
    assert (two.model_bytes, two.vram_bytes) == (one.model_bytes, one.vram_bytes)


def test_a_model_on_the_cpu_is_not_counted_and_that_is_said():
    config = load_config(CONFIGS / "paper-fast.toml")
    tables = {**config.backends, "tracker": {**config.backends["tracker"], "device": "cpu"}}
    plan = make_plan(type(config)(name="test", backends=tables), 1000)
    assert plan.unknown == ("track",)


def test_the_command_prints_and_gives_json():
    result = run("plan", "--sources", 1000, "--config", CONFIGS / "paper-fast.toml", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["sources"], found["configuration"]) == (1000, "paper-fast")
    assert found["hours"][GPU]["low"] < found["hours"][GPU]["high"]
    assert found["funnel"] == PUBLISHED_RATES.source
    people = run("plan", "--sources", 1000, "--config", CONFIGS / "paper-fast.toml")
    assert "synthesize" in people.stdout
    assert "assumed" in people.stderr


@pytest.mark.parametrize("arguments", [(), ("--sources", 0), ("--sources", "many")])
def test_a_number_of_sources_is_needed(arguments):
    assert run("plan", *arguments).exit_code == 2


# --- a trial ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trial(clips, tmp_path_factory):
    """A finished classical run of three clips, one of whose cameras moves."""
    folder = tmp_path_factory.mktemp("trial")
    (folder / "clips").mkdir()
    for name, clip in clips.items():
        (folder / "clips" / f"{name}.mp4").write_bytes(clip.path.read_bytes())
    result = run("generate", "--sources", folder / "clips", "--out", folder / "run", "--workers", 1)
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.mark.slow
def test_a_trial_gives_its_own_funnel_and_bytes(trial):
    rates = trial_rates(trial)
    funnel = json.loads((trial / "funnel.json").read_text())
    plan = make_plan(load_config(None), 3000, rates)
    assert plan.kept == round(3000 * funnel["kept"] / 3)
    assert rates.kept["flow"] == pytest.approx(2 / 3)
    made = sum(path.stat().st_size for path in trial.rglob("*") if path.suffix in (".mp4", ".png", ".npz"))
    assert plan.run_bytes == pytest.approx(1000 * made, rel=0.01)
    assert "trial run of 3 candidates" in plan.funnel


@pytest.mark.slow
def test_the_command_takes_a_trial(trial):
    result = run("plan", "--sources", 300, "--trial", trial, "--json")
    assert result.exit_code == 0, result.output
    assert "trial run" in json.loads(result.stdout)["funnel"]


@pytest.mark.slow
def test_steps_that_no_sample_of_a_trial_reached_keep_upstreams_share(trial, tmp_path):
    funnel = json.loads((trial / "funnel.json").read_text())
    place = STEP_NAMES.index("edit_score")
    for number, step in enumerate(funnel["steps"]):
        if number == place:
            step.update(kept=0, rejected={"edited frame 0 score too low": step["in"]})
        elif number > place:
            step.update({"in": 0, "kept": 0, "rejected": {}, "failed": {}})
    funnel["kept"] = 0
    (tmp_path / "funnel.json").write_text(json.dumps(funnel))
    rates = trial_rates(tmp_path)
    assert rates.kept["edit_score"] == 0
    assert rates.kept["video_score"] == PUBLISHED_RATES.kept["video_score"]
    assert "video_score" in rates.source


@pytest.mark.parametrize("content", [None, "{", '{"candidates": 3}'])
def test_what_is_no_trial_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "funnel.json").write_text(content)
    result = run("plan", "--sources", 3, "--trial", tmp_path, "--json")
    assert result.exit_code == 2
    assert "funnel" in result.stderr or "trial" in result.stderr


def test_an_empty_trial_teaches_nothing(tmp_path):
    steps = [{"step": name, "in": 0, "kept": 0, "rejected": {}, "failed": {}} for name in STEP_NAMES]
    (tmp_path / "funnel.json").write_text(json.dumps({"candidates": 0, "kept": 0, "steps": steps}))
    with pytest.raises(RunError, match="no candidates"):
        trial_rates(tmp_path)


# --- on GPUs ------------------------------------------------------------------------------------


def on_gpus(gpus, *more, sources=2000):
    options = ("--config", CONFIGS / "paper-fast.toml", "--gpus", gpus, "--json", *more)
    result = run("plan", "--sources", sources, *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_hours_on_the_clock_are_gpu_hours_over_gpus_at_the_simulated_share():
    found = on_gpus(8)
    fleet = found["fleet"]
    assert fleet["schedule"] == "streaming"
    assert 0.85 < fleet["share"] < 1
    for end in ("low", "high"):
        assert fleet["hours"][end] == pytest.approx(found["hours"][GPU][end] / 8 / fleet["share"], rel=0.01)
    assert fleet["first_pair_hours"] < 1
    assert sum(role["gpus"] for role in fleet["roles"]) == 8
    needs = {"image_to_video": 86, "control_to_video": 86, "vlm": 74, "image_editor": 38}
    for role in fleet["roles"]:
        assert sum(needs.get(model, 0) for model in role["models"]) <= 141


def test_fewer_gpus_than_the_models_need_go_by_step_and_that_is_said():
    fleet = on_gpus(2)["fleet"]
    assert (fleet["schedule"], fleet["fewest"], fleet["roles"]) == ("by-step", 3, [])
    people = run("plan", "--sources", 200, "--config", CONFIGS / "paper-fast.toml", "--gpus", 2)
    assert "2 GPUs of 141.0 GB cannot hold every model at once (3 can)" in people.stderr


def test_by_step_the_first_pair_is_finished_last():
    fleet = on_gpus(8, "--schedule", "by-step")["fleet"]
    assert fleet["first_pair_hours"] > 0.9 * fleet["hours"]["low"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--gpus", 2, "--schedule", "streaming"], "wanted: 3 of them"),
        (["--gpus", 64, "--vram", "80GB"], "86.0 GB, for image_to_video"),
        (["--gpus", 0], "not in the range"),
        (["--vram", "80GB"], "which is missing"),
        (["--schedule", "by-step"], "which is missing"),
        (["--config", "classical", "--gpus", 2], "no step of this configuration needs a GPU"),
    ],
)
def test_what_does_not_fit_is_not_promised(arguments, told):
    result = run("plan", "--sources", 1000, "--config", "paper-fast", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


# --- timings --------------------------------------------------------------------------------------


def test_a_plan_takes_the_seconds_of_a_run(tmp_path):
    path = tmp_path / "timings.json"
    timings = Timings(path)
    timings.add("synthesize", 9.0)
    timings.add("synthesize", 11.0)
    timings.write()
    goes_on = Timings(path)
    goes_on.add("synthesize", 40.0)
    goes_on.add("track", 1.0)
    goes_on.write()
    assert read_timings(path) == {"track": 1.0, "synthesize": 20.0}
    timed, noted = on_gpus(8, "--timings", path), on_gpus(8)
    synthesize = next(step for step in timed["steps"] if step["step"] == "synthesize")
    assert synthesize["hours"]["low"] == synthesize["hours"]["high"]
    assert synthesize["hours"]["low"] == pytest.approx(synthesize["reached"] * 20 / 3600, rel=0.01)
    assert timed["times"][0] == "timed in a run: track, synthesize"
    assert timed["fleet"]["hours"]["high"] < noted["fleet"]["hours"]["low"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"steps": {}}',
        '{"steps": {"swim": {"samples": 1, "seconds": 1}}}',
        '{"steps": {"flow": {"samples": 0, "seconds": 1}}}',
        '{"steps": {"flow": {"samples": 1, "seconds": -1}}}',
        '{"steps": {"flow": {"samples": 1, "seconds": NaN}}}',
        '{"steps": {"flow": {"samples": 1}}}',
    ],
)
def test_what_are_no_timings_is_refused(tmp_path, text):
    path = tmp_path / "timings.json"
    path.write_text(text)
    result = run("plan", "--sources", 3, "--timings", path)
    assert result.exit_code == 2
    assert "the timings cannot be read" in result.stderr
    with pytest.raises(ConfigError):  # nor are they overwritten
        Timings(path)
    assert path.read_text() == text
