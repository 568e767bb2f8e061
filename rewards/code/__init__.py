"""Code: programs run in a sandbox, graded by a judge that keeps the tests."""
