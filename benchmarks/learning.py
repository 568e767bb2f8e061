"""Seconds per update of the packed learner and of TRL's own GRPOTrainer, as JSON.

    python benchmarks/learning.py [--positions 16] [--samples 8] [--tokens 8] [--repeats 3]

Both train on the same completions of the same prompts with the same loss, under transformers' own
training loop; an update is measured from its first micro-batch to the end of the optimiser step.
The packed learner takes the batch at once, TRL's (with its own log-probs, loss and AdamW, in the
better of bfloat16 weights and float32 weights under bfloat16 autocast) in micro-batches of no more
tokens. Neither recomputes activations.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from common import DTYPES, arguments, interleaved, machine, median_ratio, prompts
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from envs import Task
from envs.errors import InputError
from rewards import RewardResult
from selfplay.advantages import dr_grpo
from selfplay.config.run import RunConfig
from selfplay.learner.batches import micro_batches
from selfplay.learner.build import build_trainer
from selfplay.learner.trainer import MicroBatch
from selfplay.models.load import auto_dtype, load_model, load_tokenizer
from selfplay.records import Group, Rollout
from selfplay.sampler.engines import SampleRequest
from selfplay.sampler.engines.hf import HFEngine

OURS = "packed"


class TrlTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer as it is, fed with given micro-batches in place of its own generation."""

    micro_batches: list[MicroBatch]
    last_grad_norm: float | None = None

    def _prepare_inputs(self, generation_batch: Any) -> MicroBatch:
        return self.micro_batches[self._step % len(self.micro_batches)]

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
        norm = super()._get_grad_norm(*args, **kwargs)
        self.last_grad_norm = float(norm)
        return norm


class Stopwatch(TrainerCallback):  # type: ignore[misc]
    """Times one update."""

    def __init__(self) -> None:
        self.started = self.seconds = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.started = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.started


def groups(model: str, ids: list[tuple[int, ...]], samples: int, tokens: int) -> list[Group]:
    """Sample real completions; rewards are drawn, since their values cost no time."""
    engine = HFEngine(load_model(model, dtype=auto_dtype("auto", "cpu")), load_tokenizer(model))
    asked = [SampleRequest(p, samples, tokens, "eos", 1.0, seed) for seed, p in enumerate(ids)]
    rng = random.Random(0)
    made = []
    for request, answers in zip(asked, engine.sample(asked), strict=True):
        task = Task.make("benchmark", {"seed": request.seed})
        rewards = [rng.random() for _ in answers]
        rollouts = [
            Rollout(
                task_id=task.id,
                policy_version=0,
                seed=request.seed,
                index=index,
                prompt_ids=list(request.prompt_ids),
                completion_ids=list(sample.ids),
                logprobs=list(sample.logprobs),
                text="",
                finish=sample.finish,
                result=RewardResult(reward, "fail"),
                advantage=advantage,
            )
            for index, (sample, reward, advantage) in enumerate(
                zip(answers, rewards, dr_grpo(rewards), strict=True)
            )
        ]
        made.append(Group(task, rollouts))
    return made


def batch_of(made: list[Group], steps: int, samples: int, pad_id: int) -> list[MicroBatch]:
    """Return the groups as `steps` micro-batches."""
    [share] = micro_batches(made, workers=1, steps=steps, group_size=samples, pad_id=pad_id)
    return [{k: torch.tensor(v) for k, v in arrays.items()} for arrays in share]


def trl_steps(made: list[Group], samples: int, tokens: int) -> int:
    """Return how many micro-batches TRL needs to stay within the packed batch's tokens."""
    longest = max(len(group.rollouts[0].prompt_ids) for group in made)
    budget = len(made) * (longest - 1 + samples * tokens)
    fitting = max(1, budget // (samples * (longest + tokens)))
    return -(-len(made) // fitting)


def timed(trainer: Any, norms: list[float]) -> Callable[[], float]:
    """Return a function that makes one update and returns its seconds; `norms` gets gradients'."""
    watch = Stopwatch()
    trainer.add_callback(watch)

    def run() -> float:
        trainer.train()
        norms.append(trainer.last_grad_norm)
        return watch.seconds

    return run


def packed_trainer(given: Any, made: list[Group], folder: str) -> Any:
    """Return the trainer that a learner worker builds, for one update per call of `train`."""
    config = RunConfig.model_validate(
        {
            "model": given.model,
            "steps": 1,
            "groups_per_step": len(made),
            "group_size": given.samples,
            "chess": {"max_tokens": given.tokens},
            "learner": {"lr": 1e-5, "threads": given.threads},
        }
    )
    pad_id = load_tokenizer(given.model).pad_token_id
    return build_trainer(
        config, given.model, folder, lambda _: batch_of(made, 1, given.samples, pad_id)
    )


def trl_trainer(given: Any, made: list[Group], folder: str, setting: str, ours: Any) -> TrlTrainer:
    """Return TRL's own trainer with the packed trainer's settings of loss and schedule."""
    tokenizer = load_tokenizer(given.model)
    steps = trl_steps(made, given.samples, given.tokens)
    batch = batch_of(made, steps, given.samples, tokenizer.pad_token_id)
    same = (
        *("learning_rate", "lr_scheduler_type", "weight_decay", "max_grad_norm", "temperature"),
        *("beta", "loss_type", "epsilon", "epsilon_high", "use_adaptive_entropy", "entropy_coef"),
        *("entropy_coef_delta", "entropy_coef_max", "entropy_target", "gradient_checkpointing"),
        *("max_completion_length", "max_steps", "use_cpu", "seed"),
    )
    args = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=len(batch[0]["advantages"]),
        gradient_accumulation_steps=steps,
        steps_per_generation=steps,
        num_generations=given.samples,
        bf16=setting == "fp32_autocast_bf16",
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **{name: getattr(ours.args, name) for name in same},
    )
    trainer = TrlTrainer(
        model=load_model(given.model, dtype=DTYPES[setting]),
        reward_funcs=lambda **_: [],
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "slot"}] * len(made) * 2),
        processing_class=tokenizer,
    )
    trainer.micro_batches = batch
    return trainer


def measure(given: Any, made: list[Group], folder: str) -> dict[str, Any]:
    """Return seconds per update and the first gradients' norms, which must agree."""
    ours = packed_trainer(given, made, folder)
    norms: dict[str, list[float]] = {name: [] for name in (OURS, *DTYPES)}
    ways = {OURS: timed(ours, norms[OURS])}
    for setting in DTYPES:
        ways[setting] = timed(trl_trainer(given, made, folder, setting, ours), norms[setting])
    seconds = interleaved(ways, given.repeats)
    best = min(DTYPES, key=lambda setting: median(seconds[setting]))
    return {
        "dtype": str(next(ours.model.parameters()).dtype).removeprefix("torch."),
        "trl_micro_batches": trl_steps(made, given.samples, given.tokens),
        "seconds": {name: [round(s, 3) for s in found] for name, found in seconds.items()},
        "medians": {name: round(median(found), 3) for name, found in seconds.items()},
        "first_gradient_norms": {name: round(found[0], 5) for name, found in norms.items()},
        "better_trl": best,
        "ratio": round(median_ratio(seconds[best], seconds[OURS]), 2),
    }


def main() -> int:
    """Print the measurements; exit code 2 for bad input."""
    given = arguments(str(__doc__).splitlines()[0])
    try:
        ids = prompts(given.model, given.positions, given.tokens)
        made = groups(given.model, ids, given.samples, given.tokens)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    # transformers prints its own figures; standard output is for the report.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        found = measure(given, made, folder)
    report = {
        "benchmark": "learning",
        "unit": "seconds per update",
        "model": given.model,
        "positions": len(ids),
        "samples": given.samples,
        "tokens": given.tokens,
        "mean_prompt_tokens": round(sum(map(len, ids)) / len(ids), 1),
        **found,
        **machine(given.threads),
    }
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
