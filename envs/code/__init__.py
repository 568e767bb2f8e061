"""Code as asked of a model: tasks, families, datasets, prompts, curriculum and proposals."""
