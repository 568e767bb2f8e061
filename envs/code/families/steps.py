"""Steps that composition puts before or after a core, by the type they work on.

No step is the core of a held-out family (a test compares them).
"""

from __future__ import annotations

from envs.code.families.base import Step

_NAT = (
    Step("double", ("double $a", "multiply $a by 2"), "$a * 2"),
    Step("add", ("add $k to $a", "increase $a by $k"), "$a + $k", (1, 2, 3, 5, 10)),
    Step("triple", ("triple $a", "multiply $a by 3"), "$a * 3"),
)
_INT = (
    *_NAT,
    Step("subtract", ("subtract $k from $a", "decrease $a by $k"), "$a - $k", (1, 2, 3, 4, 10)),
    Step("square", ("square $a",), "$a ** 2"),
    Step("negate", ("change the sign of $a", "negate $a"), "-$a"),
)
_INTS = (
    Step(
        "keep_even",
        ("keep only the even numbers of $a", "remove the odd numbers from $a"),
        "[v for v in $a if v % 2 == 0]",
    ),
    Step(
        "keep_above",
        ("keep only the numbers of $a that are greater than $k", "drop all of $a up to $k"),
        "[v for v in $a if v > $k]",
        (1, 2, 3, 4, 5),
    ),
    Step(
        "keep_below",
        ("keep only the numbers of $a that are less than $k",),
        "[v for v in $a if v < $k]",
        (4, 5, 6, 8, 10),
    ),
    Step(
        "double_all",
        ("double every number in $a", "multiply all of $a by 2"),
        "[v * 2 for v in $a]",
    ),
    Step("add_to_all", ("add $k to every number in $a",), "[v + $k for v in $a]", (2, 3, 5, 10)),
    Step("square_all", ("square every number in $a",), "[v ** 2 for v in $a]"),
    Step("negate_all", ("change the sign of every number in $a",), "[-v for v in $a]"),
    Step("reverse", ("reverse $a", "turn the order of $a around"), "$a[::-1]"),
    Step("drop_first", ("drop the first element of $a", "leave out the first of $a"), "$a[1:]"),
    Step("drop_last", ("drop the last element of $a",), "$a[:-1]"),
    Step("sort_down", ("sort $a from largest to smallest",), "sorted($a, reverse=True)"),
)
_STR = (
    Step("upper", ("turn $a into upper case", "make $a upper case"), "$a.upper()"),
    Step("lower", ("turn $a into lower case", "make $a lower case"), "$a.lower()"),
    Step("reverse", ("reverse $a",), "$a[::-1]"),
    Step("drop_spaces", ("remove all spaces from $a",), '$a.replace(" ", "")'),
    Step("drop_first", ("drop the first character of $a",), "$a[1:]"),
    Step("drop_last", ("drop the last character of $a",), "$a[:-1]"),
    Step("only_letters", ("keep only the letters of $a",), '"".join(c for c in $a if c.isalpha())'),
    Step("mark", ('add "$k" to the end of $a', 'append "$k" to $a'), '$a + "$k"', ("!", "?", "x")),
    Step("twice", ("repeat $a twice", "write $a two times in a row"), "$a * 2"),
)
_STRS = (
    Step("upper_all", ("make every string in $a upper case",), "[w.upper() for w in $a]"),
    Step("reverse_all", ("reverse every string in $a",), "[w[::-1] for w in $a]"),
    Step("reverse", ("reverse the order of $a",), "$a[::-1]"),
    Step("drop_first", ("drop the first element of $a",), "$a[1:]"),
    Step(
        "keep_long",
        ("keep only the strings of $a with more than $k characters",),
        "[w for w in $a if len(w) > $k]",
        (2, 3, 4),
    ),
    Step(
        "mark_all",
        ('add "$k" to the end of every string in $a',),
        '[w + "$k" for w in $a]',
        ("!", "s"),
    ),
)
_DICT = (
    Step(
        "add_to_all",
        ("add $k to every value of $a",),
        "{k: v + $k for k, v in $a.items()}",
        (1, 2, 5),
    ),
    Step("double_all", ("double every value of $a",), "{k: v * 2 for k, v in $a.items()}"),
    Step(
        "keep_above",
        ("keep only the entries of $a whose value is greater than $k",),
        "{k: v for k, v in $a.items() if v > $k}",
        (1, 2, 3, 4),
    ),
)
_ROWS = (
    Step("reverse", ("reverse the order of the lists in $a",), "$a[::-1]"),
    Step("drop_first", ("drop the first list of $a",), "$a[1:]"),
    Step("drop_last", ("drop the last list of $a",), "$a[:-1]"),
)
_FLOAT = (
    Step("double", ("double $a", "multiply $a by 2"), "$a * 2"),
    Step("add", ("add $k to $a",), "$a + $k", (1, 2, 5, 10)),
    Step("negate", ("change the sign of $a",), "-$a"),
)
_BOOL = (
    Step("opposite", ("turn True into False and False into True", "take the opposite"), "not $a"),
    Step(
        "yes_no",
        ('turn True into "yes" and False into "no"', 'answer "yes" for True and "no" for False'),
        '"yes" if $a else "no"',
        result="str",
    ),
    Step("one_zero", ("turn True into 1 and False into 0",), "1 if $a else 0", result="int"),
)

BEFORE: dict[str, tuple[Step, ...]] = {
    "int": _INT,
    "nat": _NAT,
    "list[int]": _INTS,
    "str": _STR,
    "list[str]": _STRS,
    "dict": _DICT,
}
"""By `Kind.steps`."""

AFTER: dict[str, tuple[Step, ...]] = {
    "int": _INT,
    "float": _FLOAT,
    "bool": _BOOL,
    "str": _STR,
    "list[int]": _INTS,
    "list[str]": _STRS,
    "dict[str, int]": _DICT,
    "dict[int, int]": _DICT,
    "list[list[int]]": _ROWS,
}
"""By the annotation of the value so far."""
