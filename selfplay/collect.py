"""One step's rollouts: ask, sample, score, play on, keep the groups that teach something."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from envs import Task
from envs.chess.position import board_of
from envs.chess.prompts import legal_moves, render
from envs.chess.sources import TaskSource
from selfplay.advantages import assign_advantages
from selfplay.buffer import Batch
from selfplay.config import RunConfig
from selfplay.engines import Sample, SampleRequest
from selfplay.records import FORCED, Group, Rollout
from selfplay.sampling import SamplerPool, prompt_ids
from selfplay.scoring import ScorerPool


class Collector:
    """Collects the groups of one learner step; everything it draws follows from the run's seed."""

    def __init__(
        self,
        config: RunConfig,
        *,
        source: TaskSource,
        samplers: SamplerPool,
        scorers: ScorerPool,
        tokenizer: Any,
        context: int,
    ) -> None:
        self._config = config
        self._source = source
        self._samplers = samplers
        self._scorers = scorers
        self._tokenizer = tokenizer
        self._context = context

    def collect(self, step: int) -> tuple[Batch, list[Group]]:
        """Return the batch to train on, and every group of the step, dropped ones included.

        Groups without spread teach nothing: they are dropped and replaced by up to `max_refills`
        further rounds; their tasks count as consumed. Where no group has spread, all train with
        advantage 0, so that the entropy bonus still acts.
        """
        config = self._config
        batch = Batch(step, self._samplers.version, [], seconds={"sample": 0.0, "score": 0.0})
        seen: list[Group] = []
        for refill in range(1 + config.max_refills):
            tasks = self._source.next_tasks(config.groups_per_step - len(batch.groups))
            groups = self._timed(batch, "sample", self._sample, tasks, step, refill)
            self._timed(batch, "score", self._score, groups)
            for group in groups:
                self._play_on(group)
            sound = [g for g in groups if not _has_infra_error(g)]
            batch.infra_errors += len(groups) - len(sound)
            batch.groups += [g for g in sound if g.has_spread]
            batch.refills = refill
            seen += groups
            if len(batch.groups) >= config.groups_per_step:
                break
        if not batch.groups:
            batch.groups = [g for g in seen if not _has_infra_error(g)]
        trained = {id(g) for g in batch.groups}
        for group in seen:
            group.trained = id(group) in trained
            if group.trained:
                assign_advantages(group, config.learner)
        drawn = [r for g in seen for r in g.rollouts if r.finish != FORCED]
        batch.completion_tokens = sum(len(r.completion_ids) for r in drawn)
        return batch, seen

    def _timed(self, batch: Batch, name: str, call: Any, *args: Any) -> Any:
        start = time.monotonic()
        result = call(*args)
        batch.seconds[name] += time.monotonic() - start
        return result

    def _sample(self, tasks: Sequence[Task], step: int, refill: int) -> list[Group]:
        chess = self._config.chess
        sampler = self._config.sampler
        explore = sampler.explore != "none"
        requests = []
        for task in tasks:
            prompt = render(task, chess.style, chess.notation, chess.max_tokens)
            requests.append(
                SampleRequest(
                    prompt_ids=prompt_ids(self._tokenizer, prompt, self._context),
                    n=sampler.explore_samples if explore else self._config.group_size,
                    max_tokens=prompt.max_tokens,
                    stop=prompt.stop,
                    temperature=sampler.temperature,
                    seed=request_seed(self._config.seed, step, refill, task.id),
                )
            )
        answers = self._samplers.sample(requests)
        groups = []
        for task, request, samples in zip(tasks, requests, answers, strict=True):
            rollouts = [self._rollout(task, request, i, s) for i, s in enumerate(samples)]
            if explore:
                rollouts += self._forced(task, request, len(rollouts))
            groups.append(Group(task, rollouts))
        return groups

    def _forced(self, task: Task, request: SampleRequest, first: int) -> list[Rollout]:
        """Return the task's legal moves as rollouts, at most `group_size`, chosen at random.

        They were not drawn, so they have no log-probs: the importance correction leaves them out.
        """
        chess = self._config.chess
        # In a PGN the next move may follow: to train a line break behind moves would teach it
        # behind White's move in the prompt too, where Black is to answer.
        end = "" if chess.style == "pgn" else "\n"
        moves = legal_moves(board_of(task), chess.notation)
        count = min(len(moves), self._config.group_size)
        chosen = sorted(random.Random(request.seed).sample(moves, count))
        return [
            Rollout(
                task_id=task.id,
                policy_version=self._samplers.version,
                seed=request.seed,
                index=index,
                prompt_ids=list(request.prompt_ids),
                completion_ids=self._tokenizer(f" {move}{end}", add_special_tokens=False).input_ids,
                logprobs=[],
                text=f" {move}{end}",
                finish=FORCED,
            )
            for index, move in enumerate(chosen, first)
        ]

    def _rollout(self, task: Task, request: SampleRequest, index: int, sample: Sample) -> Rollout:
        return Rollout(
            task_id=task.id,
            policy_version=self._samplers.version,
            seed=request.seed,
            index=index,
            prompt_ids=list(request.prompt_ids),
            completion_ids=list(sample.ids),
            logprobs=list(sample.logprobs),
            text=self._tokenizer.decode(sample.ids, skip_special_tokens=True),
            finish=sample.finish,
        )

    def _score(self, groups: Sequence[Group]) -> None:
        answers = [(g.task, [r.text for r in g.rollouts]) for g in groups]
        for group, results in zip(groups, self._scorers.score(answers), strict=True):
            for rollout, result in zip(group.rollouts, results, strict=True):
                rollout.result = result

    def _play_on(self, group: Group) -> None:
        """Let the game of this position go on with one of the moves that the policy drew."""
        legal = [
            str(r.result.evidence["action"])
            for r in group.rollouts
            if r.finish != FORCED and r.result and r.result.verdict in ("pass", "fail")
        ]
        if _has_infra_error(group):
            self._source.skip(group.task.id)
        else:
            self._source.advance(group.task.id, legal, self._samplers.version)


def request_seed(seed: int, step: int, refill: int, task_id: str) -> int:
    """Return the 63-bit seed of one request; it depends on nothing else."""
    text = f"{seed}/{step}/{refill}/{task_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rollout_metrics(groups: Sequence[Group]) -> dict[str, float | None]:
    """Return the step's figures over the drawn rollouts of all groups, dropped ones included."""
    sound = [g for g in groups if not _has_infra_error(g)]
    drawn = [r for g in sound for r in g.rollouts if r.finish != FORCED and r.result]
    results = [r.result for r in drawn if r.result is not None]
    legal = [r for r in results if r.parts.get("legal")]
    answers = [Counter(r.text.strip() for r in g.rollouts if r.finish != FORCED) for g in sound]
    logprobs = [lp for r in drawn for lp in r.logprobs]
    return {
        "reward_mean": _mean([r.value for r in results]),
        "legal_rate": _mean([float(r.parts.get("legal", 0.0)) for r in results]),
        "regret_mean": _mean([r.parts["regret"] for r in legal]),
        "best_rate": _mean([r.parts.get("best", 0.0) for r in results]),
        "groups": float(len(sound)),
        "groups_with_spread": _mean([float(_drawn_spread(g)) for g in sound]),
        "distinct_answers": _mean([float(len(a)) for a in answers]),
        "sampler_entropy": -sum(logprobs) / len(logprobs) if logprobs else None,
        "rollouts": float(sum(len(g.rollouts) for g in groups)),
    }


def _drawn_spread(group: Group) -> bool:
    """Whether the policy's own answers to the task differ in reward."""
    return len({r.result.value for r in group.rollouts if r.finish != FORCED and r.result}) > 1


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _has_infra_error(group: Group) -> bool:
    return any(r.result is None or r.result.verdict == "infra_error" for r in group.rollouts)
