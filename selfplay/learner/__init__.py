"""The learner: TRL's trainer under Ray Train, and the loop's handle on it."""
