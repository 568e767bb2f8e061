"""Chess: moves, scored by an engine."""
