"""Do the learner and a plain forward compute what the sampler drew with? Asked of a run's weights.

`selfplay.fidelity` asks the model's family before anything has started.
"""

from __future__ import annotations

from typing import Any

import torch

from selfplay.learner.packing import pack_groups, packed_logits, token_logprobs
from selfplay.models.windows import Windows


@torch.no_grad()
def learner_gaps(
    model: Any, batch: dict[str, torch.Tensor], *, group_size: int, temperature: float
) -> dict[str, float]:
    """Compare a batch's sampler log-probs with those of the learner's model, in two ways.

    Args:
        model: the learner's, with or without adapters.
        batch: a micro-batch of batches.py.
        group_size: G, which its rows are a multiple of.
        temperature: that of the sampler.

    Returns:
        The mean difference (nats per token) of the packed forward, as `learner`, and of plain rows,
        as `plain forward`; weights, dtypes and devices are the run's own.
    """
    batch = {key: value.to(model.device) for key, value in batch.items()}
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    steps = batch["completion_ids"].shape[1]
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    packed = pack_groups(ids, mask, steps, group_size)
    learner, _ = token_logprobs(packed_logits(model, packed, Windows.of(base)), packed, temperature)
    plain = torch.zeros_like(learner)
    for row, (own, real) in enumerate(zip(ids, mask.bool(), strict=True)):
        count = int(batch["completion_mask"][row].sum())
        if not count:
            continue
        logits = model(input_ids=own[real][None], use_cache=False).logits[0].float() / temperature
        logps = logits.log_softmax(-1)[-count - 1 : -1]
        plain[row, :count] = logps.gather(1, batch["completion_ids"][row, :count, None])[:, 0]
    real = batch["completion_mask"].bool()
    forwards = {"learner": learner, "plain forward": plain}
    return {
        who: float((x - batch["sampler_logps"]).abs()[real].mean()) for who, x in forwards.items()
    }
