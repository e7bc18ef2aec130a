"""Schedules, without a clock: any order in which workers finish, are lost and join."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sparkle.generation.config import CAPABILITIES, load_config
from sparkle.generation.run.placement import PROCESSORS, Workload, fewest_gpus, place
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedule import ATTEMPTS, INDEX, Load, Task
from sparkle.generation.run.schedules import ByStep, Streaming
from sparkle.generation.steps import make_step
from sparkle.schemas.stages import STEP_NAMES

VRAM = 141 * 10**9
PAPER = workload(load_config("paper-fast"))


@st.composite
def workloads(draw):
    """Some of the capabilities on a GPU, with models of any size and steps of any length."""
    on_gpu = draw(st.sets(st.sampled_from(CAPABILITIES), min_size=1))
    config = load_config("classical")
    pool = {}
    for name in STEP_NAMES:
        capability = make_step(name, config).capability
        pool[name] = capability if capability in on_gpu else PROCESSORS
    seconds = {name: draw(st.sampled_from([0.01, 1.0, 80.0])) for name in STEP_NAMES}
    sizes = st.integers(1, VRAM)
    return Workload(
        pool,
        seconds,
        dict.fromkeys(STEP_NAMES, 1.0),
        {name: draw(sizes) for name in sorted(on_gpu)},
        dict.fromkeys(sorted(on_gpu), 30.0),
    )


@given(workloads(), st.integers(1, 20))
def test_a_placement_fits_and_leaves_no_model_out(work, gpus):
    roles = place(work, gpus, VRAM)
    assume(roles is not None)
    assert len(roles) == gpus
    assert {model for role in roles for model in role} == {*work.models}
    for role in roles:
        assert len({*role}) == len(role)
        assert sum(work.vram_bytes[model] for model in role) <= VRAM
    assert fewest_gpus(work, VRAM) <= gpus


@given(workloads())
def test_as_many_gpus_as_models_always_do(work):
    assert place(work, len(work.models), VRAM) is not None
    assert fewest_gpus(work, max(work.vram_bytes.values()) - 1) is None


def test_the_models_of_the_paper_need_three_gpus():
    assert fewest_gpus(PAPER, VRAM) == 3
    assert place(PAPER, 2, VRAM) is None
    eight = place(PAPER, 8, VRAM)
    held = Counter(model for role in eight for model in role)
    assert (held["image_to_video"], held["control_to_video"], held["vlm"]) == (3, 4, 1)
    assert held["tracker"] == 8  # much work, little memory: it evens out the rest


class Run:
    """Samples that go through every step, or end early, over workers that a test directs."""

    def __init__(self, schedule, samples, ends, *, gpus=3, processors=2):
        self.schedule, self.ends = schedule, ends
        self.fresh = [f"{index:03d}" for index in range(samples)]
        self.done = Counter()
        self.most = 0
        self.hands = {}
        self.held = {}
        self.given_up = []
        for gpu in [True] * gpus + [False] * processors:
            self.join(gpu)

    def join(self, gpu):
        name = (gpu, len(self.held))
        self.hands[name], self.held[name] = [], {PROCESSORS} - ({PROCESSORS} if gpu else set())
        self.schedule.joined(name, gpu=gpu)

    def hand_out(self):
        while self.fresh and self.schedule.room:
            self.schedule.put(Task(self.fresh.pop(0), STEP_NAMES[0]))
        for name, what in self.schedule.hand_out():
            self.take(name, what)
        under_way = [what.sample for hand in self.hands.values() for what in hand if isinstance(what, Task)]
        assert len({*under_way}) == len(under_way)  # never two of one sample
        assert self.schedule.working.total() == len(under_way)

    def take(self, name, what):
        work, held = self.schedule.work, self.held[name]
        if isinstance(what, Load):
            assert not self.hands[name]
            assert what.fresh or what.pool not in held
            held -= held if what.fresh else set()
            held.add(what.pool)
            assert sum(work.vram_bytes[model] for model in held) <= VRAM
        else:
            assert work.pool[what.step] in held
            assert len(self.hands[name]) < 2
        self.hands[name].append(what)

    def finish(self, name):
        what = self.hands[name].pop(0)
        self.schedule.done(name, what)
        if isinstance(what, Load):
            return
        self.done[what] += 1
        self.follow(what)

    def follow(self, task):
        index = INDEX[task.step]
        if index < self.ends[int(task.sample)]:
            self.schedule.put(Task(task.sample, STEP_NAMES[index + 1]))
        else:
            self.schedule.ended(task.sample)

    def lose(self, name, *, blame=True):
        for task in self.schedule.lost(name, blame=blame):
            self.given_up.append(task)
            self.schedule.ended(task.sample)
        del self.hands[name]

    @property
    def over(self):
        return not self.fresh and self.schedule.idle


def schedule_of(kind, work, window=8, gpus=3):
    if kind == "by step":
        return ByStep(work)
    roles = place(work, gpus, VRAM)
    assume(roles is not None)
    return Streaming(work, window, roles, VRAM)


@pytest.mark.parametrize("kind", ["by step", "streaming"])
@given(work=workloads(), random=st.randoms(use_true_random=False), samples=st.integers(1, 12))
def test_every_task_is_done_once_whatever_is_lost(kind, work, random, samples):
    ends = [random.choice([len(STEP_NAMES) - 1, random.randrange(len(STEP_NAMES))]) for _ in range(samples)]
    schedule = schedule_of(kind, work)
    run = Run(schedule, samples, ends)
    losses = 6
    while True:
        run.hand_out()
        begun = samples - len(run.fresh)
        assert schedule.window - schedule.room <= min(begun, schedule.window)
        if run.over:
            break
        busy = [name for name, hand in run.hands.items() if hand]
        assert busy, "everything waits, and nobody works"
        if losses and random.random() < 0.1:
            losses -= 1
            lost = random.choice([*run.hands])
            run.lose(lost, blame=False)
            run.join(lost[0])
        else:
            run.finish(random.choice(busy))
    wanted = {Task(f"{n:03d}", step) for n in range(samples) for step in STEP_NAMES[: ends[n] + 1]}
    assert run.done == Counter(wanted)
    assert run.given_up == []
    assert schedule.room == schedule.window
    assert schedule.waiting.total() == schedule.working.total() == 0


@given(work=workloads(), random=st.randoms(use_true_random=False))
def test_by_step_no_step_begins_before_the_last_one_is_over(work, random):
    run = Run(ByStep(work), 6, [15] * 6)
    order = []
    while not run.over:
        run.hand_out()
        at_work = {what.step for hand in run.hands.values() for what in hand if isinstance(what, Task)}
        assert len(at_work) <= 1
        order += at_work
        if busy := [name for name, hand in run.hands.items() if hand]:
            run.finish(random.choice(busy))
    assert all(INDEX[one] <= INDEX[other] for one, other in pairwise(order))


def test_later_steps_come_first_then_ids():
    run = Run(Streaming(PAPER, 4), 4, [15] * 4, gpus=0, processors=1)
    run.hand_out()
    worker = next(iter(run.hands))
    assert run.hands[worker] == [Task("000", "normalise"), Task("001", "normalise")]
    schedule = Streaming(PAPER, 3)
    for task in (Task("b", "measure"), Task("a", "edges"), Task("a2", "measure")):
        schedule.put(task)
    schedule.joined("worker", gpu=False)
    taken = [schedule.next("worker")]
    while taken[-1] is not None:
        schedule.done("worker", taken[-1])
        schedule.ended(taken[-1].sample)
        taken.append(schedule.next("worker"))
    assert taken == [Task("a2", "measure"), Task("b", "measure"), Task("a", "edges"), None]


def test_whoever_has_nothing_is_served_before_anybody_gets_a_second_task():
    schedule = Streaming(PAPER, 8)
    for number in range(3):
        schedule.joined(number, gpu=False)
    for number in range(4):
        schedule.put(Task(str(number), "normalise"))
    assert [worker for worker, _ in schedule.hand_out()] == [0, 1, 2, 0]
    schedule.put(Task("4", "edges"))
    assert [worker for worker, _ in schedule.hand_out()] == [1]
    schedule.put(Task("5", "edges"))
    schedule.put(Task("6", "edges"))
    assert [worker for worker, _ in schedule.hand_out()] == [2]  # then everybody has two


def test_a_long_task_has_none_behind_it():
    schedule = Streaming(PAPER, 8, [("tracker",)], VRAM)
    schedule.joined("gpu", gpu=True)
    schedule.put(Task("0", "track"))
    schedule.put(Task("1", "track"))
    assert [what for _, what in schedule.hand_out()] == [Load("tracker", False)]
    schedule.done("gpu", Load("tracker", False))
    assert [what for _, what in schedule.hand_out()] == [Task("0", "track")]


def test_a_sample_has_one_task_at_a_time():
    schedule = ByStep(PAPER)
    schedule.put(Task("a", "flow"))
    with pytest.raises(ValueError, match="a has a task already"):
        schedule.put(Task("a", "camera"))
    with pytest.raises(ValueError, match="a has a task"):
        schedule.ended("a")


@pytest.mark.parametrize("make", [ByStep, lambda work: Streaming(work, 100)])
def test_a_task_that_kills_its_workers_is_given_up_and_the_others_are_done(make):
    """It has a neighbour in hand at first, which is not to blame."""
    run = Run(make(PAPER), 6, [0] * 6, gpus=0, processors=2)
    killer, deaths = Task("002", "normalise"), 0
    while not run.over:
        run.hand_out()
        name = next(name for name, hand in run.hands.items() if hand)
        at_killer = next((name for name, hand in run.hands.items() if killer in hand), None)
        if at_killer is not None and run.hands[at_killer][0] == killer:
            deaths += 1
            if deaths > 1:
                assert run.hands[at_killer] == [killer]  # alone
            run.lose(at_killer)
            run.join(gpu=False)
        else:
            run.finish(name)
    assert run.given_up == [killer]
    assert deaths in (ATTEMPTS, ATTEMPTS + 1)
    assert run.done == Counter(Task(f"{n:03d}", "normalise") for n in range(6) if n != 2)


def test_a_worker_that_joins_takes_over_the_role_of_the_one_that_was_lost():
    roles = place(PAPER, 3, VRAM)
    schedule = Streaming(PAPER, 8, roles, VRAM)
    for number in range(3):
        schedule.joined(number, gpu=True)
    schedule.lost(1, blame=False)
    schedule.joined("new", gpu=True)
    held = []
    while (what := schedule.next("new")) is not None:
        held.append(what.pool)
        schedule.done("new", what)
    assert tuple(held) == roles[1]


def test_a_gpu_leaves_its_role_where_nobody_holds_what_is_waited_for():
    schedule = Streaming(PAPER, 8, [("image_to_video", "tracker"), ("vlm",)], VRAM)
    for number in range(2):
        schedule.joined(number, gpu=True)
    for _ in range(2):
        for worker, what in [*schedule.hand_out()]:
            schedule.done(worker, what)
    assert [*schedule.hand_out()] == []  # both hold what their roles say
    schedule.lost(1, blame=False)
    schedule.put(Task("a", "camera"))
    assert [*schedule.hand_out()] == [(0, Load("vlm", True))]  # 86 + 74 GB are too much
    schedule.done(0, Load("vlm", True))
    assert [*schedule.hand_out()] == [(0, Task("a", "camera"))]


def test_by_step_a_gpu_holds_one_model():
    schedule = ByStep(PAPER)
    schedule.joined(0, gpu=True)
    schedule.put(Task("a", "camera"))
    handed = []
    for step in ("camera", "compose", "edit"):
        while [*(found := [*schedule.hand_out()])]:
            (((worker, what)),) = found
            handed.append(what)
            schedule.done(worker, what)
            if isinstance(what, Task):
                break
        if step != "edit":
            schedule.put(Task("a", STEP_NAMES[INDEX[step] + 1]))
    assert handed == [
        Load("vlm", False),
        Task("a", "camera"),
        Task("a", "compose"),
        Load("image_editor", True),
        Task("a", "edit"),
    ]
