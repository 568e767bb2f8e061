"""Families over sentences that return a text."""

from __future__ import annotations

from envs.code.families.base import heldout, train
from envs.code.families.kinds import SENTENCE

CORES = (
    train(
        "title_case",
        SENTENCE,
        "str",
        ("$a with the first letter of every word in upper case",),
        "$a.title()",
        "title",
        near=("$a.capitalize()",),
    ),
    train(
        "to_underscores",
        SENTENCE,
        "str",
        ("$a with every space replaced by an underscore",),
        '$a.replace(" ", "_")',
        "snake underscored",
    ),
    train(
        "first_word", SENTENCE, "str", ("the first word of $a",), "$a.split()[0]", "leading_word"
    ),
    train("last_word", SENTENCE, "str", ("the last word of $a",), "$a.split()[-1]", "final_word"),
    train(
        "longest_word",
        SENTENCE,
        "str",
        ("the longest word in $a, the first one if there are several",),
        "max($a.split(), key=len)",
        "longest",
        near=("max($a.split())",),
    ),
    heldout(
        "reverse_words",
        SENTENCE,
        "str",
        ("$a with its words in reverse order",),
        '" ".join($a.split()[::-1])',
        "words_backwards",
        near=("$a[::-1]",),
    ),
    train(
        "initials",
        SENTENCE,
        "str",
        ("the first letters of the words in $a, joined into a string",),
        '"".join(w[0] for w in $a.split())',
        "acronym",
    ),
)
