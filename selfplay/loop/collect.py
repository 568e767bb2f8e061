"""One step's rollouts: ask, sample, score, play on, keep the groups that teach something."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from envs import Task
from envs.text import clean_text
from selfplay.advantages import Advantage, assign_advantages
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain, domain_of, drawn_results, has_infra_error, mean
from selfplay.domains.mixed import RunSource
from selfplay.loop.buffer import Batch
from selfplay.records import FORCED, Group, Rollout, Sample, SampleRequest
from selfplay.sampler.pool import SamplerPool
from selfplay.sampler.prompts import answer_ids, answer_text, prompt_ids
from selfplay.scorer.pool import ScorerPool

SPARE_ROUNDS = 2
"""Further rounds for a step all of whose groups had infrastructure errors."""
RESERVED = frozenset(
    (
        *("step", "version", "time", "wall_s", "staleness", "champion", "completion_tokens"),
        *("tokens_per_s", "refills", "infra_errors", "seconds", "rolled_back_to"),
        *("opponent_games", "opponent_score", "entropy", "entropy_coef", "clip_low", "clip_high"),
        *("loss", "grad_norm", "lr", "mismatch_mean", "mismatch_max", "importance_mean"),
    )
)
"""Keys of a row of metrics.jsonl that are the loop's, the learner's and the league's."""


class Collector:
    """Collects the groups of one learner step; everything it draws follows from the run's seed."""

    def __init__(
        self,
        config: RunConfig,
        *,
        domains: Mapping[str, Domain],
        source: RunSource,
        samplers: SamplerPool,
        scorers: ScorerPool,
        tokenizer: Any,
        context: int,
    ) -> None:
        self._config = config
        self._domains = domains
        self._source = source
        self._samplers = samplers
        self._scorers = scorers
        self._tokenizer = tokenizer
        self._context = context

    def collect(self, step: int) -> tuple[Batch, list[Group]]:
        """Return the batch to train on, and every group of the step, dropped ones included.

        Groups without spread teach nothing (but see Advantage.teaches): they are dropped and
        replaced by up to `max_refills` further rounds; their tasks count as consumed. Where no
        group teaches, all train with advantage 0, so that the entropy bonus still acts. Where none
        could be scored, up to SPARE_ROUNDS more are asked; the batch is empty if that does not
        help.
        """
        config = self._config
        batch = Batch(step, self._samplers.version, [], seconds={"sample": 0.0, "score": 0.0})
        seen: list[Group] = []
        for refill in range(1 + config.max_refills + SPARE_ROUNDS):
            if refill > config.max_refills and len(seen) > batch.infra_errors:
                break
            tasks = self._source.next_tasks(config.groups_per_step - len(batch.groups))
            groups = self._timed(batch, "sample", self._sample, tasks, step, refill)
            self._timed(batch, "score", self._score, groups)
            groups += self._follow(batch, groups, step, refill)
            sound = [g for g in groups if not has_infra_error(g)]
            batch.infra_errors += len(groups) - len(sound)
            batch.groups += [g for g in sound if self._advantage(g).teaches(g)]
            batch.refills = refill
            seen += groups
            if len(batch.groups) >= config.groups_per_step:
                break
        if not batch.groups:
            batch.groups = [g for g in seen if not has_infra_error(g)]
        trained = {id(g) for g in batch.groups}
        for group in seen:
            group.trained = id(group) in trained
            if group.trained:
                assign_advantages(group, self._advantage(group))
        drawn = [r for g in seen for r in g.rollouts if r.finish != FORCED]
        batch.completion_tokens = sum(len(r.completion_ids) for r in drawn)
        return batch, seen

    def _advantage(self, group: Group) -> Advantage:
        return self._domains[domain_of(group.task)].advantage

    def _follow(self, batch: Batch, groups: list[Group], step: int, refill: int) -> list[Group]:
        """Let the sources take the answers; return the groups of the tasks that answers made."""
        followed: list[Group] = []
        for name, domain in self._domains.items():
            mine = [group for group in groups if domain_of(group.task) == name]
            tasks = domain.follow_ups(self._source.of(name), mine)
            if tasks:
                more = self._timed(batch, "sample", self._sample, tasks, step, refill)
                self._timed(batch, "score", self._score, more)
                domain.settle(mine, more)
                followed += more
            for group in mine:
                self._settle(group)
        return followed

    def _settle(self, group: Group) -> None:
        """Let the source of a task take what the policy drew for it."""
        if has_infra_error(group):
            self._source.skip(group.task.id)
        else:
            drawn = drawn_results([group])
            self._source.answered(group.task, drawn, self._samplers.version)

    def _timed(self, batch: Batch, name: str, call: Any, *args: Any) -> Any:
        start = time.monotonic()
        result = call(*args)
        batch.seconds[name] += time.monotonic() - start
        return result

    def _sample(self, tasks: Sequence[Task], step: int, refill: int) -> list[Group]:
        requests = []
        for task in tasks:
            domain = self._domains[domain_of(task)]
            prompt = domain.render(task)
            requests.append(
                SampleRequest(
                    prompt_ids=prompt_ids(self._tokenizer, prompt, self._context),
                    n=domain.samples(task),
                    max_tokens=prompt.max_tokens,
                    stop=prompt.stop,
                    temperature=self._config.sampler.temperature,
                    seed=request_seed(self._config.seed, step, refill, task.id),
                )
            )
        answers = self._samplers.sample(requests)
        groups = []
        for task, request, samples in zip(tasks, requests, answers, strict=True):
            rollouts = [self._rollout(task, request, i, s) for i, s in enumerate(samples)]
            rollouts += self._forced(task, request, len(rollouts))
            groups.append(Group(task, rollouts))
        return groups

    def _forced(self, task: Task, request: SampleRequest, first: int) -> list[Rollout]:
        """Return the task's listed actions as rollouts; of them at most `group_size` will train.

        They were not drawn, so they have no log-probs: the importance correction leaves them out.
        """
        domain = self._domains[domain_of(task)]
        listed = domain.actions(task, self._config.group_size, request.seed)
        return [
            Rollout(
                task_id=task.id,
                policy_version=self._samplers.version,
                seed=request.seed,
                index=index,
                prompt_ids=list(request.prompt_ids),
                completion_ids=answer_ids(self._tokenizer, text),
                logprobs=[],
                text=text,
                finish=FORCED,
            )
            for index, text in enumerate(listed or [], first)
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
            text=clean_text(answer_text(self._tokenizer, sample.ids)),
            finish=sample.finish,
        )

    def _score(self, groups: Sequence[Group]) -> None:
        answers = [(g.task, [r.text for r in g.rollouts]) for g in groups]
        for group, results in zip(groups, self._scorers.score(answers), strict=True):
            for rollout, result in zip(group.rollouts, results, strict=True):
                rollout.result = result


def request_seed(seed: int, step: int, refill: int, task_id: str) -> int:
    """Return the 63-bit seed of one request; it depends on nothing else."""
    text = f"{seed}/{step}/{refill}/{task_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rollout_metrics(
    groups: Sequence[Group], domains: Mapping[str, Domain], source: RunSource | None
) -> dict[str, float | None]:
    """Return the step's metrics over the drawn rollouts of all groups, dropped ones included.

    With several domains in the run the common ones are there once more for each, as
    `chess/reward_mean` and so on. A metric of a domain's own is called so too where its name is
    RESERVED or another's already.
    `source` is None where metrics are recomputed from stored rollouts.
    """
    sound = [g for g in groups if not has_infra_error(g)]
    figures: dict[str, float | None] = {"rollouts": float(sum(len(g.rollouts) for g in groups))}
    figures |= _common(sound)
    for name, domain in domains.items():
        mine = [g for g in sound if domain_of(g.task) == name]
        own = domain.metrics(mine, None if source is None else source.of(name))
        taken = RESERVED | figures.keys()
        figures |= {f"{name}/{key}" if key in taken else key: own[key] for key in own}
        if len(domains) > 1:
            figures |= {f"{name}/{key}": value for key, value in _common(mine).items()}
    return figures


def _common(sound: Sequence[Group]) -> dict[str, float | None]:
    drawn = [r for g in sound for r in g.rollouts if r.finish != FORCED and r.result]
    answers = [Counter(r.text.strip() for r in g.rollouts if r.finish != FORCED) for g in sound]
    logprobs = [lp for r in drawn for lp in r.logprobs]
    return {
        "reward_mean": mean([r.value for r in drawn_results(sound)]),
        "groups": float(len(sound)),
        "groups_with_spread": mean([float(_drawn_spread(g)) for g in sound]),
        "distinct_answers": mean([float(len(a)) for a in answers]),
        "sampler_entropy": -sum(logprobs) / len(logprobs) if logprobs else None,
    }


def _drawn_spread(group: Group) -> bool:
    """Whether the policy's own answers to the task differ in reward."""
    return len({r.value for r in drawn_results([group])}) > 1
