"""Many self-play games side by side, each position a task."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import chess
import chess.pgn

from envs.chess.openings import random_move
from envs.chess.pgn import Game, game_from_pgn, game_result
from envs.chess.position import make_task, position_key, quoted
from envs.errors import InputError
from envs.opponents import Opponents
from envs.task import Task

_PASSES = 1000
"""Positions passed over in a row before we say that nothing remains to ask."""


class GamePool:
    """`boards` games side by side; whoever finishes makes room for a new game.

    Positions are asked round robin, and a board has at most one task in flight; tasks in flight
    are distinct. Every random draw is seeded by (seed, board, game, ply), so games do not depend
    on the order in which answers come back, and the state needs no generator's inner state.

    A position whose key is in `exclude`, or whose task is in flight already, is never asked: it
    is passed over by a random legal move.

    With `opponents` some games have one: the policy has one colour there, and only the positions
    with that colour to move are tasks. The opponents move when tasks are asked for, all boards of
    one opponent in one call.
    """

    def __init__(
        self,
        boards: int,
        seed: int,
        new_game: Callable[[random.Random], chess.Board],
        max_plies: int,
        random_move_prob: float,
        random_when_illegal: bool,
        players: tuple[str, str],
        *,
        exclude: frozenset[str] = frozenset(),
        opponents: Opponents | None = None,
    ) -> None:
        """Open the pool; games are started as they are asked for.

        `new_game` gets a seeded generator and returns an unfinished game. `max_plies` counts all
        plies of a game, its opening too; a longer one ends as unfinished ("*"). `players` are the
        names for White and Black.

        Raises InputError for numbers out of range.
        """
        if boards < 1 or max_plies < 1 or not 0 <= random_move_prob <= 1:
            raise InputError(
                f"game pool: boards={boards}, max_plies={max_plies}, "
                f"random_move_prob={random_move_prob}; give 1 or more, 1 or more, and 0 to 1"
            )
        self._seed = seed
        self._new_game = new_game
        self._max_plies = max_plies
        self._random_move_prob = random_move_prob
        self._random_when_illegal = random_when_illegal
        self._players = players
        self._exclude = exclude
        self._opponents = opponents
        self._games: list[Game | None] = [None] * boards
        self._counts = [0] * boards
        self._ready = deque(range(boards))
        self._in_flight: dict[str, int] = {}
        self._finished: list[chess.pgn.Game] = []

    def next_tasks(self, n: int, *, taken: frozenset[str] = frozenset()) -> list[Task]:
        """Return up to `n` distinct tasks, fewer where too few boards are free.

        Positions whose task id is in `taken` are passed over as well.
        """
        tasks: list[Task] = []
        self._answer_all(self._ready)
        while self._ready and len(tasks) < n:
            # Ctrl-C may come while an opponent thinks: until there is a task the board is ready.
            slot = self._ready[0]
            task = self._ask(slot, taken)
            self._ready.popleft()
            self._in_flight[task.id] = slot
            tasks.append(task)
        return tasks

    def advance(self, task_id: str, legal_moves: Sequence[str], version: int) -> None:
        """Go on with the game of a task in flight and free its board.

        `legal_moves` are the sampled legal answers in UCI, repeats included: one of them is
        played at random, or with `random_move_prob` any legal move. Where there is none, a random
        legal move is played, or the game is lost if `random_when_illegal` is off. `version` is
        the policy that answered.

        Raises ValueError if the task is not in flight or an answer is not legal.
        """
        if task_id not in self._in_flight:
            raise ValueError(f"task {task_id} is not in flight")
        slot = self._in_flight[task_id]
        game = self._game(slot)
        answers = [game.board.parse_uci(text) for text in legal_moves]
        if not all(answers):
            raise ValueError(f"task {task_id}: a null move is not legal")
        del self._in_flight[task_id]
        self._ready.append(slot)
        game.versions[game.board.turn] = version
        rng = self._rng(slot, "move")
        if answers and rng.random() >= self._random_move_prob:
            self._play(slot, rng.choice(answers), by_chance=False)
        elif answers:
            self._play(slot, random_move(game.board, rng), by_chance=True)
        else:
            self._play_nothing(slot, rng)

    def skip(self, task_id: str) -> None:
        """Free the board of a task in flight; its position will be asked again.

        Raises ValueError if the task is not in flight.
        """
        if task_id not in self._in_flight:
            raise ValueError(f"task {task_id} is not in flight")
        self._ready.append(self._in_flight.pop(task_id))

    def finished(self) -> list[chess.pgn.Game]:
        """Return the games finished since the last call, with headers, and forget them."""
        games, self._finished = self._finished, []
        return games

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        return {
            "seed": self._seed,
            "counts": list(self._counts),
            "games": [None if game is None else game.state() for game in self._games],
            "ready": list(self._ready),
            "in_flight": list(self._in_flight.values()),
            "finished": [str(game) for game in self._finished],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; the tasks that were in flight then are asked again first.

        Raises InputError if the state is of a pool with another seed or number of boards.
        """
        if state["seed"] != self._seed or len(state["games"]) != len(self._games):
            raise InputError(
                f"saved games: seed {quoted(state['seed'])} and {len(state['games'])} boards, the "
                f"configuration has {self._seed} and {len(self._games)}; restore those values"
            )
        self._counts = list(state["counts"])
        self._games = [None if saved is None else Game.restored(saved) for saved in state["games"]]
        self._ready = deque([*state["in_flight"], *state["ready"]])
        self._in_flight = {}
        self._finished = [game_from_pgn(text) for text in state["finished"]]

    def _rng(self, slot: int, purpose: str, number: int | None = None) -> random.Random:
        """Return the generator of a board's next draw in its game, or in the game `number`."""
        game = self._games[slot]
        ply = "start" if game is None else str(len(game.board.move_stack))
        count = self._counts[slot] if number is None else number
        return random.Random(f"{self._seed}/{slot}/{count}/{ply}/{purpose}")

    def _game(self, slot: int) -> Game:
        game = self._games[slot]
        if game is None:
            # Counted last: Ctrl-C may come while the engine screens, and the next game is this one.
            number = self._counts[slot] + 1
            board = self._new_game(self._rng(slot, "opening", number))
            if board.is_game_over():
                raise ValueError(f"new_game gave a finished game: {board.fen()}")
            game = Game(board, opening_plies=len(board.move_stack))
            if self._opponents is not None:
                rng = self._rng(slot, "opponent", number)
                game.opponent = self._opponents.draw(rng)
                game.policy_is_white = rng.random() < 0.5
            self._games[slot], self._counts[slot] = game, number
        return game

    def _ask(self, slot: int, taken: frozenset[str]) -> Task:
        for _ in range(_PASSES):
            board = self._game(slot).board
            if self._awaits_opponent(slot):
                self._answer_all([slot])
                continue
            if position_key(board) not in self._exclude:
                task = make_task(board)
                if task.id not in self._in_flight and task.id not in taken:
                    return task
            self._play(slot, random_move(board, self._rng(slot, "pass")), by_chance=True)
        raise InputError(
            f"game pool: {_PASSES} positions in a row are held out or asked already; "
            "use fewer boards or longer openings"
        )

    def _awaits_opponent(self, slot: int) -> bool:
        game = self._games[slot]
        return self._opponents is not None and game is not None and game.opponent_to_move

    def _answer_all(self, slots: Iterable[int]) -> None:
        """Let the opponents move on those of the boards on which they are to."""
        waiting: dict[str, list[int]] = {}
        for slot in slots:
            if self._awaits_opponent(slot):
                waiting.setdefault(str(self._game(slot).opponent), []).append(slot)
        for name, group in waiting.items():
            assert self._opponents is not None
            rngs = [self._rng(slot, "answer") for slot in group]
            turns = [
                (self._game(slot).board, rng.getrandbits(62))
                for slot, rng in zip(group, rngs, strict=True)
            ]
            moves = self._opponents.moves(name, turns)
            for slot, move, rng in zip(group, moves, rngs, strict=True):
                if move is None:
                    self._play_nothing(slot, rng)
                elif not self._game(slot).board.is_legal(move):
                    raise ValueError(f"opponent {name}: {move} is not legal")
                else:
                    self._play(slot, move, by_chance=False)

    def _play_nothing(self, slot: int, rng: random.Random) -> None:
        """Go on where whoever is to move found no legal move."""
        board = self._game(slot).board
        if self._random_when_illegal:
            self._play(slot, random_move(board, rng), by_chance=True)
        else:
            self._finish(slot, "0-1" if board.turn == chess.WHITE else "1-0", "illegal move")

    def _play(self, slot: int, move: chess.Move, *, by_chance: bool) -> None:
        game = self._game(slot)
        if by_chance:
            game.chance_plies.append(len(game.board.move_stack))
        game.board.push(move)
        ended = game_result(game.board, self._max_plies)
        if ended is not None:
            self._finish(slot, *ended)

    def _finish(self, slot: int, result: str, termination: str) -> None:
        round_name = f"{slot + 1}.{self._counts[slot]}"
        self._finished.append(
            self._game(slot).to_pgn(self._players, round_name, result, termination)
        )
        self._games[slot] = None
