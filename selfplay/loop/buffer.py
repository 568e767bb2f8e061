"""RolloutBuffer: scored batches that wait for the learner, bounded in number and in staleness."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from selfplay.records import Group


@dataclass(slots=True)
class Batch:
    """The groups of one learner step, all sampled from policy `version`."""

    step: int
    version: int
    groups: list[Group]
    refills: int = 0
    infra_errors: int = 0
    completion_tokens: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class RolloutBuffer:
    """First in, first out; staleness is counted in policy versions.

    A batch that is sampled now is trained after those that wait and after the one in training;
    it is refused when that would make it older than `max_staleness` versions.
    """

    def __init__(self, max_staleness: int) -> None:
        self.max_staleness = max_staleness
        self._batches: deque[Batch] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def may_sample(self, sampler_version: int, learner_version: int, *, training: bool) -> bool:
        """Whether a batch sampled from `sampler_version` now would be fresh when it trains."""
        trains_at = learner_version + len(self._batches) + int(training)
        return trains_at - sampler_version <= self.max_staleness

    def put(self, batch: Batch) -> None:
        """Append a batch, which `may_sample` has allowed."""
        self._batches.append(batch)

    def clear(self) -> list[Batch]:
        """Remove and return all batches: their policy was given up."""
        batches = list(self._batches)
        self._batches.clear()
        return batches

    def take(self, learner_version: int) -> Batch:
        """Remove and return the oldest batch.

        Raises:
            ValueError: it is staler than allowed; the accounting above makes this a bug of ours.
        """
        batch = self._batches.popleft()
        staleness = learner_version - batch.version
        if staleness > self.max_staleness:
            raise ValueError(f"batch of step {batch.step} is {staleness} versions old")
        return batch
