"""What of a completion answers: reasoning, channels, the end of a turn."""

from __future__ import annotations

import pytest

from envs.answer import answer_of
from envs.fences import blocks


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("def f(): pass", "def f(): pass"),
        ("\ufeffx", "x"),
        ("<think>\ne4\n</think>\nNf3", "\nNf3"),
        ("e4, I think\n</think>\nNf3", "\nNf3"),  # the prompt ended in <think>
        ("<think>a</think>b<think>c</think>d", "d"),
        ("<think>a <think> b</think> c </think> d", " d"),
        ("<think></think>\n\nNf3", "\n\nNf3"),
        ("Nf3\n<think>was that right?</think>\n", "Nf3\n"),
        ("<thinking>e4</thinking>Nf3", "Nf3"),
        ("<THINK>e4</THINK>Nf3", "Nf3"),
        ("<reasoning>e4</reasoning>\n<answer>Nf3</answer>", "Nf3"),
        ("<think>e4</think><answer>\nNf3\n</answer>\n", "\nNf3\n"),
        ("[THINK]e4[/THINK]Nf3", "Nf3"),
        ("\u25c1think\u25b7e4\u25c1/think\u25b7Nf3", "Nf3"),
        ("<seed:think>e4</seed:think>Nf3", "Nf3"),
        ("<|begin_of_thought|>e4<|end_of_thought|>Nf3", "Nf3"),
        (
            "<|channel|>analysis<|message|>e4<|end|><|start|>assistant"
            "<|channel|>final<|message|>Nf3<|return|>",
            "Nf3",
        ),
        ("Nf3<|im_end|>", "Nf3"),
        ("Nf3</s>", "Nf3"),
        ("Nf3<|endoftext|>Another text: e4", "Nf3"),
        ("Nf3<|im_end|>\n<|im_start|>user\ne4", "Nf3"),
        ("Nf3<eos>\n", "Nf3"),
        ("Nf3<end_of_turn>", "Nf3"),
        ("Nf3<\uff5cend\u2581of\u2581sentence\uff5c>", "Nf3"),
        ("<|im_start|>Nf3", "Nf3"),
        ('return s.split("</think>")[1]', 'return s.split("</think>")[1]'),
        ('re.sub(r"<think>.*?</think>", "", s)', 're.sub(r"<think>.*?</think>", "", s)'),
        ('end = "</s>"\nreturn end', 'end = "</s>"\nreturn end'),
        ("a = '<|im_end|>'", "a = '<|im_end|>'"),
        ('"<s>x</s>y"', '"<s>x</s>y"'),
    ],
)
def test_the_answer_is_what_follows_the_reasoning(completion: str, answer: str) -> None:
    assert answer_of(completion) == answer


@pytest.mark.parametrize(
    "completion",
    [
        "<think>\nNf3",
        "Nf3 <think> or e4",
        "<think>e4</think>Nf3<think>no",
        "<thinking>\n```python\ndef f(): pass\n```\n",
        "<|channel|>analysis<|message|>Nf3",
        "<|channel|>analysis<|message|>Nf3<|end|><|start|>assistant<|channel|>final",
    ],
)
def test_reasoning_without_end_has_no_answer(completion: str) -> None:
    assert answer_of(completion) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```\na\n```", [("a\n", "", True)]),
        ('```python title="x.py"\na\n```', [("a\n", "python", True)]),
        ("``` Python\r\na\r\n```", [("a\r\n", "python", True)]),
        ("````md\n```\na\n```\n````", [("```\na\n```\n", "md", True)]),
        ("~~~py\na\n~~~", [("a\n", "py", True)]),
        ("So: ```python\na\n```", [("a\n", "python", True)]),
        ("- ```\n  a\n  ```", [("  a\n", "", True)]),
        ("> ```\n> a\n>\n> b\n> ```", [("a\n\nb\n", "", True)]),
        ("```\na```", [("a\n", "", True)]),
        ("```\na", [("a", "", False)]),
        ("```\na\n```py\nb\n```", [("a\n", "", False), ("b\n", "py", True)]),
        ("```def f(x): return x\n```", [("def f(x): return x\n", "", True)]),
        ("```python f(x)```", [("f(x)\n", "", True)]),
        ("use `x` or ``y``", []),
        ("```\n\n```", []),
        (
            '```python\ndef f():\n    """A.\n    ```\n    f()\n    ```\n    """\n    return 1\n```',
            [
                (
                    'def f():\n    """A.\n    ```\n    f()\n    ```\n    """\n    return 1\n',
                    "python",
                    True,
                )
            ],
        ),
        ('```\nx = """\n```\nlater', [('x = """\n', "", True)]),  # a string without end
    ],
)
def test_fenced_blocks(text: str, found: list[tuple[str, str, bool]]) -> None:
    assert [(b.text, b.language, b.whole) for b in blocks(text)] == found
