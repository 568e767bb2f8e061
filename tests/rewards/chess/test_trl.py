"""The chess reward as TRL calls it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chess
import pytest

from envs.errors import InputError
from rewards.chess.trl import chess_reward
from tests.patience import patient

MATE_IN_ONE = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"


@pytest.fixture
def reward(stockfish: Path, tmp_path: Path) -> Any:
    made: Any = chess_reward(stockfish, nodes=500, cache_path=tmp_path / "cache.sqlite")
    yield made
    made.close()


def test_text_and_chat_completions_are_scored_alike(reward: Any) -> None:
    texts = ["Rd8#", "Kh1", "Qd8", "hello there"]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": t}]}] for t in texts]
    columns = {"fen": [MATE_IN_ONE] * 4, "completion_ids": [[1]] * 4, "trainer_state": None}
    plain = reward(prompts=["p"] * 4, completions=texts, **columns)
    assert plain == reward(prompts=["p"] * 4, completions=chats, **columns)
    assert plain == reward(prompts=["p"] * 4, completions=parts, **columns)
    assert plain[0] == 1.0 > plain[1] >= 0.1 and plain[2:] == [0.0, 0.0]


def test_a_history_may_come_with_the_position(reward: Any) -> None:
    board = chess.Board()
    board.push_san("e4")
    after = board.fen()
    for moves in (["e2e4"], "e2e4", None, []):
        assert reward(["p"], ["c5"], fen=[after], moves=[moves])[0] > 0.1
    other = chess.Board(MATE_IN_ONE)
    other.push_uci("g1h1")
    columns = {"fen": [other.fen()], "moves": [["g1h1"]], "start_fen": [MATE_IN_ONE]}
    assert reward(["p"], ["h6"], **columns)[0] > 0.1
    with pytest.raises(InputError, match="the moves lead to"):
        reward(["p"], ["c5"], fen=[after], moves=[["d2d4"]])


def test_engine_trouble_is_none(bad_engine: Callable[[str, str], Path], tmp_path: Path) -> None:
    path = bad_engine("dies", "os._exit(1)")
    reward: Any = chess_reward(path, nodes=1, deadline_s=5, cache_path=tmp_path / "cache")
    assert reward(["p"] * 2, ["e4", "??"], fen=[chess.STARTING_FEN] * 2) == [None, None]
    reward.close()


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({}, "no column `fen`"),
        ({"fen": [chess.STARTING_FEN] * 2}, "2 rows for 1 completions"),
        ({"fen": [None]}, "is no text"),
        ({"fen": ["rubbish"]}, "column `fen`"),
        ({"fen": ["8/8/8/8/8/8/8/8 w - - 0 1"]}, "not a legal position"),
    ],
)
def test_bad_columns_are_refused(reward: Any, columns: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        reward(["p"], ["e4"], **columns)


def test_it_has_a_name_and_can_be_sent_to_another_process(reward: Any) -> None:
    first = reward(["p"], ["e4"], fen=[chess.STARTING_FEN])
    copy = pickle.loads(pickle.dumps(reward))
    assert reward.__name__ == copy.__name__ == "chess_reward"
    assert copy(["p"], ["e4"], fen=[chess.STARTING_FEN]) == first
    copy.close()


def test_rewards_need_neither_torch_nor_ray(repository: Path) -> None:
    code = (
        "import sys, rewards.chess; "
        "print(sorted({'torch', 'ray', 'trl', 'numpy', 'selfplay'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=patient(20),
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]")


def test_trl_s_own_trainer_takes_it(reward: Any, tiny_model: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    rows = [{"prompt": "White to move: ", "fen": MATE_IN_ONE}] * 4
    seen: list[list[float | None]] = []

    def chess_and_length(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
        seen.append(reward(prompts, completions, **columns))
        return [float(len(text)) for text in completions]

    trainer = GRPOTrainer(
        model=str(tiny_model),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
        reward_funcs=[reward, chess_and_length],
        train_dataset=Dataset.from_list(rows),
        args=GRPOConfig(
            output_dir=str(tmp_path / "out"),
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=4,
            max_steps=1,
            logging_steps=1,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
        ),
    )
    trainer.train()
    logged = next(row for row in trainer.state.log_history if "rewards/chess_reward/mean" in row)
    assert len(seen) == 1 and len(seen[0]) == 4
    values = [value for value in seen[0] if value is not None]
    assert logged["rewards/chess_reward/mean"] == pytest.approx(sum(values) / 4, abs=1e-5)
