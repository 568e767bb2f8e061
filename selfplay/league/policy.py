"""A policy as a player: a run's version or a model, prompted as it was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import chess
from typing_extensions import override

from envs import Parsed, Prompt
from envs.chess.parse import parse_move
from envs.chess.position import make_task
from envs.chess.prompts import Notation, Style, render
from envs.text import clean_text
from selfplay.config.match import MatchConfig
from selfplay.config.run import RunConfig
from selfplay.domains.chess.config import ChessConfig
from selfplay.league.player import Choice, Fault, Player, Turn
from selfplay.sampler.engines.base import Sample, SampleRequest
from selfplay.sampler.prompts import PromptTooLong, answer_text, prompt_ids

MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Manner:
    """How a policy is asked; see ChessConfig and MatchConfig."""

    style: Style = "fen_legal"
    notation: Notation = "san"
    max_tokens: int = 8
    temperature: float = 0.0
    retry_temperature: float = 1.0
    tries: int = 3
    shots: int = 0

    @classmethod
    def of(cls, config: RunConfig, match: MatchConfig) -> Manner:
        """Return the manner in which a run asks its policy, with the tries of a match."""
        chess = config.section(ChessConfig)
        return cls(
            chess.style,
            chess.notation,
            chess.max_tokens,
            match.temperature,
            match.retry_temperature,
            match.tries,
            chess.shots,
        )

    def words(self) -> str:
        """Return it as `key=value` words."""
        return (
            f"style={self.style} notation={self.notation} max_tokens={self.max_tokens} "
            f"temperature={self.temperature:g} retry_temperature={self.retry_temperature:g} "
            f"tries={self.tries}" + (f" shots={self.shots}" if self.shots else "")
        )


class Sampling(Protocol):
    """What a policy is asked through: an engine here, or the samplers of a run."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[list[Sample]]:
        """Return the samples of each request, in order."""


class PolicyPlayer(Player):
    """A language model that plays; its weights are loaded when it is first asked.

    The first answer is drawn at `temperature`. Where it is no legal move the other tries are drawn
    together at `retry_temperature`, or at `temperature` where that is higher, and the first legal
    one counts.
    """

    def __init__(
        self,
        name: str,
        version: str,
        model: str,
        manner: Manner,
        *,
        dtype: str = "auto",
        threads: int | None = None,
        prefill_tokens: int = 1024,
    ) -> None:
        self.name = name
        self.version = version
        self.repeatable = True
        self.model = model
        self.manner = manner
        self.settings = manner.words()
        self._dtype, self._threads, self._prefill_tokens = dtype, threads, prefill_tokens
        self._loaded: tuple[Sampling, Any, int] | None = None

    def load(self) -> None:
        """Load the weights now. Raises InputError where they cannot be had."""
        self._open()

    @override
    def choose(
        self,
        turns: Sequence[Turn],
        *,
        only: frozenset[chess.Move] | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> list[Choice]:
        """Draw an answer for each turn, and the further tries where it was no legal move.

        Args:
            turns: the boards to move on.
            only: other moves are as good as illegal (UCI's `searchmoves`).
            go_on: asked before the second round of tries; False gives up.

        Raises:
            InputError: the model cannot be loaded or prompted in this style.
        """
        choices = self._round(turns, 1, self.manner.temperature, 0, only)
        left = [i for i, choice in enumerate(choices) if _may_retry(choice)]
        more = self.manner.tries - 1
        if left and more and go_on():
            temperature = max(self.manner.temperature, self.manner.retry_temperature)
            again = self._round([turns[i] for i in left], more, temperature, 1, only)
            for i, choice in zip(left, again, strict=True):
                choices[i] = Choice(choice.move, choice.tries + 1, choice.fault, choice.detail)
        return choices

    @override
    def close(self) -> None:
        """Drop the model."""
        self._loaded = None

    def _round(
        self,
        turns: Sequence[Turn],
        tries: int,
        temperature: float,
        salt: int,
        only: frozenset[chess.Move] | None,
    ) -> list[Choice]:
        """Return each turn's first acceptable answer out of `tries`."""
        engine, tokenizer, context = self._open()
        choices = [Choice(None, 1, "no answer", "the prompt exceeds the context") for _ in turns]
        fitting: list[int] = []
        requests: list[SampleRequest] = []
        for i, turn in enumerate(turns):
            prompt = self._prompt(turn.board)
            try:
                ids = prompt_ids(tokenizer, prompt, context)
            except PromptTooLong:
                continue
            fitting.append(i)
            requests.append(
                SampleRequest(
                    ids, tries, prompt.max_tokens, prompt.stop, temperature, turn.seed ^ salt
                )
            )
        if not requests:
            return choices
        for i, samples in zip(fitting, engine.sample(requests), strict=True):
            texts = [clean_text(answer_text(tokenizer, s.ids)) for s in samples]
            choices[i] = first_legal(texts, turns[i].board, only)
        self._trim()
        return choices

    def _prompt(self, board: chess.Board) -> Prompt:
        manner = self.manner
        return render(
            make_task(board), manner.style, manner.notation, manner.max_tokens, manner.shots
        )

    def _open(self) -> tuple[Sampling, Any, int]:
        if self._threads is not None:
            import torch

            # OpenMP keeps the number per thread, and each call may come from another one.
            torch.set_num_threads(self._threads)
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> tuple[Sampling, Any, int]:
        import torch

        from selfplay.fidelity.family import refuse_unfit
        from selfplay.models.attention import attention_for
        from selfplay.models.load import auto_dtype, load_model, load_tokenizer
        from selfplay.sampler.engines.hf import HFEngine

        refuse_unfit(self.model, learns=False)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = load_model(
            self.model,
            dtype=auto_dtype(self._dtype, device),
            device=device,
            attention=attention_for(device),
        )
        tokenizer = load_tokenizer(self.model)
        text = model.config.get_text_config()
        context = int(getattr(text, "max_position_embeddings", 0) or 1 << 20)
        return HFEngine(model, tokenizer, prefill_tokens=self._prefill_tokens), tokenizer, context

    @staticmethod
    def _trim() -> None:
        from selfplay.models.memory import release_free_memory

        release_free_memory()


def first_legal(
    texts: Sequence[str], board: chess.Board, only: frozenset[chess.Move] | None = None
) -> Choice:
    """Return the first of a model's answers that is a legal move (and in `only`)."""
    if not texts:
        raise ValueError("no answers")
    fault: Fault = "unparsable"
    for number, text in enumerate(texts, start=1):
        parsed = parse_move(text, board)
        fault, detail = _fault(parsed, text)
        if parsed.action is None:
            continue
        move = chess.Move.from_uci(parsed.action)
        if only is None or move in only:
            return Choice(move, number)
        fault, detail = "illegal", f"{parsed.action} is not among the moves to choose from"
    return Choice(None, len(texts), fault, detail)


def _fault(parsed: Parsed, text: str) -> tuple[Fault, str]:
    if parsed.status == "illegal":
        return "illegal", parsed.detail[:MAX_DETAIL]
    return "unparsable", text[:MAX_DETAIL]


def _may_retry(choice: Choice) -> bool:
    return choice.move is None and choice.fault != "no answer"
