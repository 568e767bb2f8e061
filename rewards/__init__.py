"""How an answer is scored: engine, sandbox, formulas. No model, no Ray, no torch."""

from rewards.result import RewardResult, Verdict

__all__ = ["RewardResult", "Verdict"]
