"""The loop's handle on the learner: Ray Train in a thread, commands and reports with deadlines."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfplay.cluster.placement import bundle, event, shortage
from selfplay.config.run import RunConfig
from selfplay.learner.batches import micro_batches
from selfplay.learner.exchange import Command, Exchange, Report
from selfplay.records import Group, Sample, SampleRequest, drawn_group


class LearnerError(RuntimeError):
    """The learner died or missed its deadline; the message says in which phase."""


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser step's outcome: the new version, where its weights are, TRL's metrics."""

    version: int
    weights: Any
    metrics: dict[str, float | None]


class Learner:
    """Starts Ray Train's TorchTrainer and speaks with its workers through the exchange."""

    def __init__(
        self,
        config: RunConfig,
        *,
        model: str,
        resume: Path | None,
        work_dir: Path,
        gpus: float,
        base: str | None = None,
    ) -> None:
        self._config = config
        self._error: BaseException | None = None
        self.events: list[dict[str, Any]] = []
        """Where the workers were placed; see placement.event."""
        self._stopped = False
        self._needs = bundle(config.learner.cpus, gpus, config.learner.resources)
        # Beside the loop: on another node it would take the run down with that node.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._exchange = Exchange.options(scheduling_strategy=here).remote(  # type: ignore[attr-defined]
            config.learner.workers
        )
        settings = {
            "config": config.as_json(),
            "model": model,
            "base": base or config.model,
            "resume": str(resume) if resume else None,
            "exchange": self._exchange,
            "work_dir": str(work_dir),
        }
        self._thread = threading.Thread(
            target=self._fit, args=(settings, work_dir, gpus), name="learner", daemon=True
        )
        self._thread.start()

    def wait_ready(self) -> int:
        """Return the version that the learner starts from, once it has loaded everything."""
        version = int(self._wait("ready", "loading").payload["version"])
        places = ray.get(self._exchange.places.remote(), timeout=60)
        self.events = [event("learner", rank, "placed", places[rank]) for rank in sorted(places)]
        return version

    def check(self) -> None:
        """Raise LearnerError if the learner has died; for whoever works on without it."""
        if not self._stopped and not self._thread.is_alive():
            raise LearnerError(f"learner died: {_reasons(self._error)}") from self._error

    def submit(self, groups: list[Group], pad_id: int, time_gone: float = 0.0) -> None:
        """Send one batch of scored groups; `wait` brings the outcome.

        `time_gone` is the share of max_minutes that has passed (schedule.py).
        """
        config = self._config
        payload = micro_batches(
            groups,
            workers=config.learner.workers,
            steps=config.accumulation_steps,
            group_size=config.group_size,
            pad_id=pad_id,
        )
        self._post(Command("update", payload, time_gone))

    def wait(self, step: int) -> Update:
        """Return the update of the batch that was submitted last."""
        payload = self._wait("updated", f"update {step}").payload
        return Update(payload["version"], payload["weights"][0], payload["metrics"])

    def compare(
        self, request: SampleRequest, samples: list[Sample], pad_id: int
    ) -> dict[str, float]:
        """Return how far the learner is from what drew `samples`; see gaps.py."""
        size = self._config.group_size
        group = drawn_group(request, samples)
        [[batch]] = micro_batches([group], workers=1, steps=1, group_size=size, pad_id=pad_id)
        self._post(Command("compare", batch))
        return dict(self._wait("compared", "comparing with the sampler").payload)

    def restore(self, model: str, folder: Path | None) -> Update:
        """Take other weights and go on from them; the new version is one step further.

        Args:
            model: their folder, or whatever `model:` takes.
            folder: a checkpoint with the optimiser's state that belongs to them; where it has
                none, and for None, the optimiser begins with fresh moments.
        """
        self._post(Command("restore", (model, None if folder is None else str(folder))))
        payload = self._wait("updated", f"going back to {model}").payload
        return Update(payload["version"], payload["weights"][0], payload["metrics"])

    def save(self, folder: Path, timeout_s: float | None = None) -> None:
        """Write model, optimiser, schedule and RNG state to `folder`, within the deadline."""
        self._post(Command("save", str(folder)))
        self._wait("saved", f"saving {folder.name}", timeout_s)

    def stop(self, timeout_s: float = 20.0) -> None:
        """End the workers; a learner that does not end in time dies with its actors."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.is_alive() and self._error is None:
            self._post(Command("stop"))
        self._thread.join(timeout_s)
        ray.kill(self._exchange)

    def _fit(self, settings: dict[str, Any], work_dir: Path, gpus: float) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        learner = self._config.learner
        try:
            TorchTrainer(
                _train_worker,
                train_loop_config=settings,
                scaling_config=ScalingConfig(
                    num_workers=learner.workers,
                    use_gpu=gpus > 0,
                    resources_per_worker={"CPU": learner.cpus} | self._needs,
                ),
                run_config=RunConfig(
                    name="learner",
                    storage_path=str(work_dir),
                    failure_config=FailureConfig(max_failures=0),
                ),
            ).fit()
        except BaseException as error:
            self._error = error

    def _post(self, command: Command) -> None:
        ray.get(self._exchange.post.remote(command), timeout=60)

    def _wait(self, kind: str, phase: str, timeout_s: float | None = None) -> Report:
        limit = self._config.learner.deadline_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            # Short turns, so that a dead learner is seen before the deadline.
            report: Report | None = ray.get(self._exchange.next_report.remote(2.0), timeout=60)
            if report is not None:
                if report.kind != kind:
                    raise LearnerError(f"learner: {phase}: expected {kind}, got {report.kind}")
                return report
            if not self._thread.is_alive():
                raise LearnerError(
                    f"learner died while {phase}: {_reasons(self._error)}"
                ) from self._error
        why = f"learner: {phase} took longer than {limit:g} s (learner.deadline_s)"
        if kind == "ready":
            total, free = ray.cluster_resources(), ray.available_resources()
            why += f"; if it waits for its place: {shortage(self._needs, total, free)}"
        raise LearnerError(why)


def _reasons(error: BaseException | None) -> str:
    """Return in one line why each worker failed: the last lines of Ray Train's tracebacks."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", None) or {}
    named: dict[str, BaseException | None] = {
        f"worker {rank}": failure for rank, failure in sorted(failures.items())
    }
    lines = []
    for who, failure in (named or {"Ray Train": error}).items():
        last = (str(failure).strip().splitlines() or [type(failure).__name__])[-1]
        lines.append(f"{who}: {last.strip()[:300]}")
    return "; ".join(lines)


def _train_worker(settings: dict[str, Any]) -> None:
    """Import TRL in the worker only: the driver needs neither its memory nor its start-up time."""
    from selfplay.learner.worker import train_worker

    train_worker(settings)
