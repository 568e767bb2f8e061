"""What a test draws at random: fixed by a secret that no program can read, and so repeatable.

A program that could foresee the draws of a hidden test would answer without looking at its
argument. Each test has a key of its own, derived from the run's secret and the text of the test;
only the process of that test gets it (seeded.py), and it never runs a program.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

SECRET_BYTES = 16


def new_secret() -> bytes:
    """Return a secret that nobody knows."""
    return secrets.token_bytes(SECRET_BYTES)


def derived(secret: bytes, *words: str) -> bytes:
    """Return 32 bytes that follow from secret and words and reveal neither (HMAC-SHA256)."""
    text = b"".join(len(data).to_bytes(8, "big") + data for data in map(_bytes, words))
    return hmac.new(secret, text, hashlib.sha256).digest()


def hash_seed(secret: bytes) -> int:
    """Return the PYTHONHASHSEED of the tests: a test may walk a set, whose order it decides."""
    return int.from_bytes(derived(secret, "hash seed")[:4], "big") or 1


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")
