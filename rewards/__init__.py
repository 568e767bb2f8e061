"""How an answer is scored: engine, formulas, (later) sandbox. No model, no Ray, no torch."""

from rewards.result import RewardResult, Verdict

__all__ = ["RewardResult", "Verdict"]
