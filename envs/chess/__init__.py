"""Chess as asked of a model: positions, prompts, parsing, self-play games, files and suites."""
