"""The loop of a run: collect, learn, evaluate, save. `run.py` reads from top to bottom."""
