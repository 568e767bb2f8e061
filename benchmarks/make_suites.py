"""Make the held-out suites and the examples of prompts again: the files of envs/chess/data/.

    python benchmarks/make_suites.py --engine /usr/games/stockfish --output /tmp/suites

Some minutes. The shipped files were made with Stockfish 15.1, seed 20240 (heldout, games), 77713
(test, endings) and 5 (examples); the same engine gives the same files, since every query is a new
game with one thread, fixed nodes and fixed hash. No position stands in two of them.
Files that exist stay unless --force is given.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import chess
import chess.engine

from envs.chess.position import position_key
from envs.chess.suites import ending_positions, random_ply_positions, weak_game_positions

POSITIONS = 640
SEED = 20240
TEST_SEED = 77713
EXAMPLES, EXAMPLES_SEED, EXAMPLES_NODES = 8, 5, 200_000
NODES = 400
GUARD_S = 10.0
"""Wall-clock limit of one engine query; 400 nodes take about a millisecond."""


def write_suite(path: Path, boards: list[chess.Board]) -> None:
    """Write one row {"moves": "e2e4 e7e5"} per board, atomically."""
    rows = [json.dumps({"moves": " ".join(m.uci() for m in b.move_stack)}) for b in boards]
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def main() -> None:
    """Parse the command line and write the suites."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = shutil.which("stockfish") or "/usr/games/stockfish"
    parser.add_argument("--engine", default=default, help="UCI engine (%(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    names = ("heldout", "games", "test", "endings", "examples")
    paths = {name: arguments.output / f"{name}.jsonl" for name in names}
    for path in paths.values():
        if path.exists() and not arguments.force:
            parser.error(f"{path} exists; pass --force to replace it")
    boards = {"heldout": random_ply_positions(POSITIONS, SEED)}
    limit = chess.engine.Limit(nodes=NODES, time=GUARD_S)
    with chess.engine.SimpleEngine.popen_uci(arguments.engine) as engine:
        engine.configure({"Threads": 1, "Hash": 16})

        def best_move(board: chess.Board) -> chess.Move:
            # A new game object makes python-chess send ucinewgame: no query sees another's hash.
            result = engine.play(board, limit, game=object())
            if result.move is None:
                raise RuntimeError(f"the engine gave no move in {board.fen()}")
            return result.move

        boards["games"] = weak_game_positions(POSITIONS, SEED, best_move)
        taken = {position_key(board) for found in boards.values() for board in found}
        boards["test"] = weak_game_positions(POSITIONS, TEST_SEED, best_move, taken)
        taken |= {position_key(board) for board in boards["test"]}
        boards["endings"] = ending_positions(POSITIONS, TEST_SEED, best_move, taken)
        taken |= {position_key(board) for board in boards["endings"]}
        boards["examples"] = weak_game_positions(EXAMPLES, EXAMPLES_SEED, best_move, taken)
        limit = chess.engine.Limit(nodes=EXAMPLES_NODES, time=GUARD_S)
        for board in boards["examples"]:
            board.push(best_move(board))  # the last move of an example is its answer
    for name, path in paths.items():
        write_suite(path, boards[name])
    print(
        f"wrote {', '.join(map(str, paths.values()))}: {POSITIONS} positions a suite, "
        f"{EXAMPLES} examples"
    )


if __name__ == "__main__":
    main()
