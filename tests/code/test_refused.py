"""Test code that would run what a program returns is refused, other test code is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.code.datasets import load_humaneval, load_mbpp
from envs.errors import InputError
from rewards.code.faults import faults
from rewards.code.refused import refusal
from rewards.code.scorer import CodeScorer
from tests.code.judged import RIGHT, codes

RUNS = {
    "eval": "assert eval(f(1)) == 1",
    "exec": "space = {}\nexec(f(1), space)\nassert space['x'] == 1",
    "compile": "assert compile(f(1), '', 'eval')",
    "by another name": "run = eval\nassert run(f(1)) == 1",
    "as an argument": "assert list(map(eval, f(1))) == [1]",
    "of builtins": "import builtins\nassert builtins.eval(f(1)) == 1",
    "from builtins": "from builtins import eval as run\nassert run(f(1)) == 1",
    "dunder builtins": "assert __builtins__['eval'](f(1)) == 1",
    "by getattr": "import operator\nassert getattr(operator, 'ev' + 'al')(f(1)) == 1",
    "getattr of an answer": "import os\nassert getattr(os, f(1))() == 1",
    "by globals": "assert globals()['eval'](f(1)) == 1",
    "by vars": "import math\nassert vars(math).get('__builtins__')",
    "import": "assert __import__(f(1)).x == 1",
    "importlib": "import importlib\nassert importlib.import_module(f(1)).x == 1",
    "from importlib": "from importlib import import_module\nassert import_module(f(1))",
    "pickle": "import pickle\nassert pickle.loads(f(1)) == 1",
    "pickle renamed": "import pickle as p\nassert p.loads(f(1)) == 1",
    "from pickle": "from pickle import loads as json_loads\nassert json_loads(f(1)) == 1",
    "all of pickle": "from pickle import *\nassert loads(f(1)) == 1",
    "unpickler": "import io, pickle\nassert pickle.Unpickler(io.BytesIO(f(1))).load() == 1",
    "marshal": "import marshal\nassert marshal.loads(f(1)) == 1",
    "shelve": "import shelve\nassert shelve.open(f(1))['x'] == 1",
    "yaml": "import yaml\nassert yaml.load(f(1), Loader=yaml.Loader) == 1",
    "numpy": "import numpy as np\nassert np.load(f(1), allow_pickle=True) == 1",
    "pandas": "import pandas as pd\nassert pd.read_pickle(f(1)) is None",
    "frame": "import pandas\nassert pandas.DataFrame({'a': [1]}).eval(f(1)) is None",
    "shell": "import os\nassert os.system(f(1)) == 0",
    "process": "import subprocess\nassert subprocess.run(f(1)).returncode == 0",
    "code object": "import types\nassert types.FunctionType(f(1), {})() == 1",
    "timeit": "import timeit\nassert timeit.timeit(f(1)) < 1",
    "runpy": "import runpy\nassert runpy.run_path(f(1)) == {}",
    "loaded modules": "import sys\nassert sys.modules['pickle'].loads(f(1)) == 1",
    "from sys": "from sys import modules\nassert modules[f(1)].x == 1",
    "subclasses": "assert ().__class__.__base__.__subclasses__()[f(1)]",
    "globals of a function": "import math\nassert f.__globals__[f(1)] == 1",
    "loader": "assert __loader__.load_module(f(1))",
    "pydoc": "import pydoc\nassert pydoc.locate(f(1))",
    "hidden in a comprehension": "assert all(eval(x) == 1 for x in [f(1)])",
    "as a default": "assert (lambda x, run=eval: run(x))(f(1)) == 1",
    "ctypes": "import ctypes\nassert ctypes.string_at(f(1)) == b''",
}
KEEPS = {
    "regular expressions": "import re\nassert re.compile('a+').fullmatch(f(1))",
    "json": "import json\nassert json.loads(f(1)) == [1]",
    "literal": "import ast\nassert ast.literal_eval(f(1)) == [1]",
    "dumps": "import pickle\nassert pickle.dumps(f(1)) == pickle.dumps(1)",
    "a method of a class": "class M:\n    def eval(self):\n        return 1\n"
    "assert f(1) == M().eval()",
    "its own compile": "def compile(x):\n    return x\nassert f(1) == compile(1)",
    "getattr": "assert getattr(f(1), 'real') == 1",
    "numpy": "import numpy as np\nassert np.allclose(f(1), 1)",
    "time": "import timeit\nassert timeit.timeit(lambda: f(1), number=1) < 1",
    "a word": "assert f('eval') == 'exec' and {'compile': 1}",
    "yaml": "import yaml\nassert yaml.safe_load(f(1)) == 1",
}


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    with CodeScorer() as made:
        yield made


@pytest.mark.parametrize("name", RUNS)
def test_what_would_run_an_answer_is_refused(scorer: CodeScorer, name: str) -> None:
    code = RUNS[name]
    check = "def check(candidate):\n" + "".join(
        f"    {line}\n" for line in code.replace("f(1)", "candidate(1)").splitlines()
    )
    tasks = [codes("asserts", "assert f(1) == 1", code)]
    if "import *" not in code:
        tasks.append(codes("check", check))
    tasks.append(codes("asserts", "assert helper(1)", setup=f"def helper(_):\n{_indented(code)}"))
    for task in tasks:
        reason = refusal(task)
        assert reason is not None and faults(task, scorer) == [reason]
        result = scorer.score_program(task, RIGHT)
        assert (result.verdict, result.value) == ("fail", 0.0)
        assert result.evidence["status"] == "refused" and result.evidence["detail"] == reason


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


@pytest.mark.parametrize("name", KEEPS)
def test_what_only_reads_an_answer_is_run(name: str) -> None:
    assert refusal(codes("asserts", KEEPS[name])) is None


def test_the_reference_counts_where_the_test_calls_it() -> None:
    reference = "def f(x):\n    return eval(x)"
    check = "def check(candidate):\n    assert {}\n"
    own = codes("check", check.format("candidate('1') == f('1')"), reference=reference)
    other = codes("check", check.format("candidate('1') == 1"), reference=reference)
    assert "reference" in (refusal(own) or "") and refusal(other) is None


def test_no_task_of_the_data_sets_is_refused(shared_data: Path) -> None:
    path = shared_data / "mbpp" / "mbpp.jsonl"
    tasks = [*load_mbpp(path, "train"), *load_mbpp(path, "validation")]
    try:
        tasks += load_humaneval()
    except InputError:
        assert len(tasks) == 464
    assert [task.key for task in tasks if refusal(task)] == []
