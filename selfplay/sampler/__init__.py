"""The samplers: prompts in, completions with log-probs out."""
