"""Chess under `selfplay verify`: what an engine decides, what only the rules do, games, positions
that never train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from typing_extensions import override

from envs import Task
from envs.chess.parse import parse_move
from envs.chess.position import DOMAIN, board_of, task_key
from envs.chess.suites import OLDEST, suite_keys, suite_names
from rewards import RewardResult
from rewards.chess.scores import PositionScores
from rewards.chess.shaping import shape_value
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain
from selfplay.domains.checks import Checks, Held, Identity, Kept
from selfplay.domains.chess import replay
from selfplay.domains.chess.config import PUZZLES, RewardConfig
from selfplay.domains.chess.evaluation import LEGAL, RULE_ROWS
from selfplay.domains.differences import Difference
from selfplay.domains.rows import Row
from selfplay.records import Group

RULED = ("legality", "action", "task_id", "fen", "completion")
"""What does not depend on the engine."""


class ChessChecks(Checks):
    """What chess knows of its own results; takes a step's answers for the games that went on."""

    makes_ids: ClassVar[bool] = True
    replays_games: ClassVar[bool] = True

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._legal: dict[str, list[list[str]]] = {}
        """Task id -> the legal moves that were drawn for it, each time it was asked."""
        self._rounds: dict[Path, list[str]] = {}
        """File of games -> `Round` of each."""

    @override
    def known(self, recorded: Identity) -> None:
        if not isinstance(recorded.get("sha256", ""), str):
            raise ValueError("a start without a sound engine")
        if not isinstance(recorded.get("options", {}), dict):
            raise TypeError("an engine whose options are no object")

    @override
    def same_scorer(self, identity: Identity, recorded: Sequence[Identity]) -> bool:
        mine = (identity["sha256"], dict(identity["options"]))
        return any((one["sha256"], one.get("options")) == mine for one in engines_of(recorded))

    @override
    def another_scorer(self, recorded: Sequence[Identity], count: int) -> str:
        names = sorted({f"{one.get('name')} {one['sha256'][:12]}" for one in engines_of(recorded)})
        return (
            f"the engine here is another one than the run's ({', '.join(names)}): {count} scores "
            "differ here, which says nothing; give the run's with --engine"
        )

    @override
    def ruled(self, kept: Kept) -> Kept:
        return {key: kept[key] for key in RULED if key in kept}

    @override
    def retry_config(self) -> RunConfig | None:
        """An engine with fixed nodes and a fresh hash table says the same every time."""
        return None

    @override
    def payment(self, row: Row, recorded: Sequence[Identity]) -> dict[str, Any]:
        due = payment(row, self.domain.config.section(RewardConfig))
        engines = [str(one["sha256"])[:12] for one in engines_of(recorded)]
        if engines and row["evidence"].get("engine") not in engines:
            due["evidence.engine"] = engines[-1]
        return due

    @override
    def score_of(self, task: Task, result: RewardResult) -> Kept:
        engine = {key: result.evidence.get(key) for key in ("best", "cp", "mate")}
        return {**super().score_of(task, result), "legality": legality(result.verdict), **engine}

    @override
    def stores_answers(self, suite: str) -> bool:
        return suite != PUZZLES

    @override
    def columns(self, task: Task) -> dict[str, Any]:
        return {"fen": task.payload["fen"]}

    @override
    def read_again(self, row: Row, task: Task) -> dict[str, Any]:
        parsed = parse_move(row["completion"], board_of(task))
        return {"action": parsed.action, "legality": "legal" if parsed.action else parsed.status}

    @override
    def score_of_row(self, row: Row) -> Kept:
        return {**super().score_of_row(row), "legality": legality(row["verdict"])}

    @override
    def row_again(
        self, row: Row, task: Task, texts: Sequence[str], results: Sequence[RewardResult]
    ) -> Row:
        made = dict(super().row_again(row, task, texts, results))
        if RULE_ROWS not in row:  # a row of an older run
            made.pop(RULE_ROWS, None)
        return made

    @override
    def held_out(
        self,
        recorded: Sequence[Identity],
        asked: Sequence[tuple[str, Row]],
        unchecked: Callable[[str], None],
    ) -> Held:
        """Tell a position by where the pieces stand: those of the suites that the manifest names,
        of the oldest ones where it names none, and all that were asked.
        """
        named = recorded[-1].get("held_out") if recorded else None
        listed = named if isinstance(named, list) else OLDEST
        keys = set(suite_keys(tuple(name for name in suite_names() if name in listed)))
        for suite, row in asked:
            keys |= set(_asked(suite, row))
        return lambda task: task.domain == DOMAIN and task_key(task) in keys

    @override
    def answered(self, groups: Sequence[Group]) -> None:
        for task_id, moves in replay.legal_answers(groups):
            self._legal.setdefault(task_id, []).append(moves)

    @override
    def games(self, path: Path, *, moves: bool) -> Iterator[list[Difference]]:
        rounds = self._rounds[path] = []
        file, config = f"games/{path.name}", self.domain.config
        for number, (game, text) in enumerate(replay.read_pgn(path), start=1):
            place = f"game {number}"
            found = replay.check_text(file, place, game, text)
            if not game.errors:
                found += replay.check_ending(file, place, game, config)
                if moves:
                    found += replay.check_moves(file, place, game, self._legal, config)
            rounds.append(game.headers.get("Round", "?"))
            yield found

    @override
    def ended(
        self, paths: Sequence[Path], source: Mapping[str, Any], version: int, where: str
    ) -> Iterable[Difference]:
        until = replay.files_until(paths, version)
        rounds = [name for path in until for name in self._rounds[path]]
        return replay.check_rounds(rounds, replay.pool_state(source), where)


def engines_of(recorded: Sequence[Identity]) -> list[Identity]:
    """Return those entries of a manifest that name an engine."""
    return [one for one in recorded if one.get("sha256")]


def payment(row: Row, reward: RewardConfig) -> dict[str, Any]:
    """Return what verdict, value and parts of a move must be, given its other parts."""
    parts = row["parts"]
    if not parts["legal"]:
        verdict = row["verdict"] if row["verdict"] in ("illegal", "unparsable") else "illegal"
        return {"verdict": verdict, "value": 0.0}
    scores = cast(PositionScores, _Paid(parts))
    return {
        "verdict": "pass" if parts["best"] else "fail",
        "value": shape_value(reward.shape, scores, "", reward.floor, reward.slope),
        "parts.regret": parts["best_win"] - parts["win"],
    }


def legality(verdict: str) -> str:
    """Return a verdict without what the engine thinks of the move."""
    return "legal" if verdict in LEGAL else verdict


def _asked(suite: str, row: Row) -> list[str]:
    """Return the keys of the positions that a row of an evaluation asked."""
    if suite == PUZZLES:
        return [str(key) for key in row.get("positions", [])]
    return [" ".join(str(row["fen"]).split()[:4])] if "fen" in row else []


@dataclass(frozen=True, slots=True)
class _Move:
    win: float


class _Paid:
    """A row's parts in the place of an engine's scores, for the formulas of shaping.py."""

    def __init__(self, parts: Mapping[str, float]) -> None:
        self._parts = parts
        self.moves = {"": _Move(parts["win"])}
        self.best_moves = ("",) if parts["best"] else ()

    def regret(self, uci: str) -> float:
        """Return the regret that the row states."""
        return self._parts["regret"]

    def rank(self, uci: str) -> float:
        """Return the rank that the row states."""
        return self._parts["rank"]
