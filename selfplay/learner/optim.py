"""AdamW over float32 master copies of low-precision parameters.

Weights in bfloat16 halve the memory traffic of a step, but an update of 1e-5 of a weight is below
their rounding step and would vanish; the master copy keeps it. Sampler and learner then compute
with the very same bfloat16 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

_TOGETHER = 32


class MasterAdamW(torch.optim.Optimizer):
    """AdamW (1711.05101) whose state holds `master`, `exp_avg` and `exp_avg_sq` in float32.

    Parameters that are float32 already are updated in place, without a copy.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            used = [p for p in group["params"] if p.grad is not None]
            # A few at a time: the float32 copies of all gradients at once would be the peak.
            for start in range(0, len(used), _TOGETHER):
                self._step_group(group, used[start : start + _TOGETHER])
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state as saved: torch would cast it to the parameters' dtype."""
        super().load_state_dict(state_dict)
        parameters = [p for group in self.param_groups for p in group["params"]]
        for index, parameter in enumerate(parameters):
            for name, value in state_dict["state"].get(index, {}).items():
                if isinstance(value, torch.Tensor):
                    self.state[parameter][name] = value.to(
                        device="cpu" if name == "step" else parameter.device,
                        dtype=torch.float32,
                        copy=True,
                    )

    def _step_group(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        masters, grads, averages, squares, steps = [], [], [], [], []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"] = torch.zeros_like(parameter, dtype=torch.float32)
                state["exp_avg_sq"] = torch.zeros_like(parameter, dtype=torch.float32)
            if parameter.dtype != torch.float32 and "master" not in state:
                # New, or from a checkpoint whose learner had float32 weights.
                state["master"] = parameter.detach().float().clone()
            masters.append(state.get("master", parameter))
            grads.append(parameter.grad.float())  # type: ignore[union-attr]
            averages.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            state["step"] += 1
            steps.append(state["step"].to(parameter.device))
        torch._fused_adamw_(
            masters,
            grads,
            averages,
            squares,
            [],
            steps,
            lr=float(group["lr"]),
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            grad_scale=None,
            found_inf=None,
        )
        for parameter, master in zip(parameters, masters, strict=True):
            if master is not parameter:
                parameter.copy_(master)
