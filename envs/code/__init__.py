"""Code as asked of a model: tasks, families, datasets, prompts, extraction, curriculum, proposals."""
