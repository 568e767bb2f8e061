"""What the model is asked: tasks, prompts, parsing and turns. No model, no Ray, no torch."""

from envs.task import Parsed, ParseStatus, Prompt, Stop, Task, task_id

__all__ = ["ParseStatus", "Parsed", "Prompt", "Stop", "Task", "task_id"]
