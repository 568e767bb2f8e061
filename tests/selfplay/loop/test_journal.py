"""Batches sampled ahead: after a stop, a crash or a rollback each task trains exactly once.

The sources, the folder and the bookkeeping are real; a dealer stands for samplers and scorers, and
learner and domain are stubs.
"""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import chess
import pytest

from envs import Task
from envs.chess.games import GamePool
from envs.chess.openings import random_opening
from envs.chess.position import board_of, make_task
from rewards import RewardResult
from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole
from selfplay.display.tensorboard import TensorBoardLog
from selfplay.domains.chess.domain import ChessSource
from selfplay.domains.mixed import RunSource
from selfplay.learner.handle import Update
from selfplay.loop.buffer import Batch
from selfplay.loop.checkpoints import Checkpoints
from selfplay.loop.journal import Journal
from selfplay.records import Group
from selfplay.rundir.folder import RunDir
from tests.selfplay.made_up import group
from tests.selfplay.stubs import Given, Learner, Sums

PER_STEP = 4
POSITIONS = 24


def positions() -> list[Task]:
    rng = random.Random(7)
    boards = [random_opening(rng, (20, 30)) for _ in range(POSITIONS)]
    return [make_task(chess.Board(board.fen())) for board in boards]


def source_of() -> RunSource:
    """Half of the tasks are positions of a file, each once; half are moves of games."""
    pool = GamePool(
        6,
        seed=1,
        new_game=lambda rng: random_opening(rng, (2, 4)),
        max_plies=7,
        random_move_prob=0.1,
        random_when_illegal=True,
        players=("a", "b"),
    )
    shares = {"selfplay": 1.0, "epd": 1.0}
    made = ChessSource(shares, files={"epd": positions()}, seed=5, pool=pool)
    return RunSource({"chess": made}, {"chess": 1.0})


class Dealer:
    """Asks the source and answers with a legal move that follows from the task alone."""

    def __init__(self, source: RunSource) -> None:
        self._source = source

    def collect(self, step: int) -> tuple[Batch, list[Group]]:
        groups = []
        for task in self._source.next_tasks(PER_STEP):
            moves = sorted(move.uci() for move in board_of(task).legal_moves)
            made = group()
            for rollout in made.rollouts:
                rollout.task_id = task.id
            groups.append(Group(task, made.rollouts))
            move = random.Random(task.id).choice(moves)
            self._source.answered(task, [RewardResult(1.0, "pass", {}, {"action": move})], 0)
        return Batch(step, step - 1, groups, seconds={"sample": 1.0, "score": 1.0}), groups


class Positions(Sums):
    """Stands for chess: the journal asks it for a task in words and for figures of a step."""

    name = "chess"


class Loop:
    """A run with `ahead` batches between sampling and learning, gone on with from its folder."""

    def __init__(self, path: Path, ahead: int, stack: ExitStack) -> None:
        config = RunConfig(name="r", runs_dir=path)
        new = not (path / "r").exists()
        self.run = RunDir.create(config) if new else RunDir.open(path / "r")
        stack.callback(self.run.close)
        checkpoint = self.run.versions.latest()
        step = int(checkpoint.name[1:]) if checkpoint else 0
        self.run.set_aside_after(step)
        self.source = source_of()
        if checkpoint:
            self.source.restore(json.loads((checkpoint / "source.json").read_text()))
        board = TensorBoardLog(path / "tb", None)
        stack.callback(board.close)
        self.journal = Journal(
            config,
            run_dir=self.run,
            console=RunConsole(),
            board=board,
            domains=Given(Positions(config)),
            source=self.source,
            step=step,
        )
        learner: Any = Learner([])
        self.checkpoints = Checkpoints(config, journal=self.journal, learner=learner, league=None)
        self.ahead, self.collected = ahead, step
        self.buffer: deque[Batch] = deque()
        self.dealer: Any = Dealer(self.source)

    def steps(self, count: int) -> None:
        for _ in range(count):
            while self.collected <= self.journal.step + self.ahead:
                self.collected += 1
                self.buffer.append(self.journal.collect(self.dealer, self.collected))
            batch = self.buffer.popleft()
            self.journal.finish_step(batch, Update(batch.step, None, {}), wall_s=1.0)

    def trained(self) -> list[str]:
        """Return the tasks of the steps that trained, in order."""
        files = self.run.rollouts.files()
        steps = [step for step in files if step <= self.journal.step]
        rows = [row for step in steps for row in self.run.rollouts.read(step)]
        return [task for _, task in dict.fromkeys((row["step"], row["task_id"]) for row in rows)]

    def rounds(self) -> list[str]:
        """Return the rounds of the games that were written, which name each game once."""
        texts = [p.read_text() for p in sorted((self.run.path / "games").glob("*.pgn"))]
        lines = [line for text in texts for line in text.splitlines()]
        return [line for line in lines if line.startswith("[Round ")]


def whole(path: Path, steps: int) -> tuple[list[str], list[str]]:
    """Return what a run that nothing interrupts trains on, and its games."""
    with ExitStack() as stack:
        loop = Loop(path, 0, stack)
        loop.steps(steps)
        return loop.trained(), loop.rounds()


@pytest.mark.parametrize("ahead", [0, 1, 3])
@pytest.mark.parametrize("crash", [False, True])
def test_each_task_trains_once_across_a_stop_and_a_crash(
    tmp_path: Path, ahead: int, crash: bool
) -> None:
    expected, games = whole(tmp_path / "whole", 10)
    with ExitStack() as stack:
        loop = Loop(tmp_path / "torn", ahead, stack)
        loop.steps(4)
        loop.checkpoints.save(wait=True)
        if crash:  # two more steps, and batches ahead of them, that no checkpoint knows
            loop.steps(2)
    with ExitStack() as stack:
        loop = Loop(tmp_path / "torn", ahead, stack)
        assert loop.journal.step == 4
        loop.steps(6)
        assert loop.trained() == expected
        assert Counter(loop.rounds()) == Counter(games)
        assert max(Counter(loop.rounds()).values()) == 1


def test_an_interrupted_collection_is_asked_again_whole(tmp_path: Path) -> None:
    """Ctrl-C may come when some of a batch's games have gone on and others have not."""
    expected, _ = whole(tmp_path / "whole", 6)
    with ExitStack() as stack:
        loop = Loop(tmp_path / "torn", 0, stack)
        loop.steps(3)
        torn = Dealer(loop.source)

        class Interrupted:
            def collect(self, step: int) -> Any:
                torn.collect(step)
                loop.source.next_tasks(1)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            loop.journal.collect(Interrupted(), 4)  # type: ignore[arg-type]
        loop.checkpoints.save(wait=False)
    with ExitStack() as stack:
        loop = Loop(tmp_path / "torn", 0, stack)
        loop.steps(3)
        assert loop.trained() == expected


def test_what_a_rollback_drops_is_asked_again(tmp_path: Path) -> None:
    expected, _ = whole(tmp_path / "whole", 6)
    with ExitStack() as stack:
        loop = Loop(tmp_path / "back", 2, stack)
        loop.steps(3)
        loop.run.versions.set_champion(0)
        dropped = list(loop.buffer)
        assert len(dropped) == 2
        loop.buffer.clear()
        loop.journal.finish_rollback(Update(4, None, {"lr": 1e-5}), dropped, wall_s=1.0)
        loop.checkpoints.save(wait=True)
        loop.collected = loop.journal.step
        loop.steps(3)
        assert loop.trained() == expected
