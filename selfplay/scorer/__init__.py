"""The scorers: tasks and completions in, RewardResults out."""
