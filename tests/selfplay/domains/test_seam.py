"""The seam, pinned by a domain that lies outside (tests/toy): found, configured, asked, scored."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import toy
import yaml
from typing_extensions import override

from envs import Prompt, Task
from envs.errors import InputError
from rewards import RewardResult
from selfplay import registry
from selfplay.config.reading import dump_config, load_config, parse_config, stored_config
from selfplay.config.run import RunConfig, RunSettings
from selfplay.domains.base import Gold, TaskList
from selfplay.domains.made import Domains, make_domain
from selfplay.domains.mixed import open_sources
from selfplay.loop.evaluate import check_evaluation
from selfplay.loop.resuming import kept_keys
from selfplay.records import Group, Rollout
from selfplay.registry import MEASURED, TASKS, DomainSpec, Measure, Section
from tests.selfplay.toy_runs import toy_config as config
from tests.toys import selfplay

# Found


def test_an_unknown_domain_is_one_line_that_lists_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        load_config("smoke", ["domain=toi"])
    said = str(caught.value)
    assert "no domain is called 'toi'; did you mean 'toy'? there are chess, code, toy;" in said
    assert said.startswith("override 'domain=toi': 'domain' is 'toi'") and "\n" not in said
    with pytest.raises(InputError, match="no domain is called 'nonsense'; there are chess, code"):
        make_domain("nonsense", RunConfig())
    with pytest.raises(InputError, match="shares: no domain is called 'tooy'"):
        load_config("smoke", ["domain=[chess, toy]", "shares={chess: 1, tooy: 1}"])


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install a package for the length of a test: a module, and the entry point that names it."""

    def put(name: str, code: str, value: str | None = None) -> None:
        (tmp_path / f"{name}_package.py").write_text(code, encoding="utf-8")
        about = tmp_path / f"{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        point = f"[selfplay.domains]\n{name} = {value or f'{name}_package:SPEC'}\n"
        (about / "entry_points.txt").write_text(point)
        registry._found.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield put
    for name in [name for name in sys.modules if name.endswith("_package")]:
        del sys.modules[name]
    monkeypatch.undo()
    registry._found.cache_clear()


SPEC = "from selfplay.registry import DomainSpec, Section\n"
BROKEN = [
    ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
    ("import a_module_that_is_not\n", "ModuleNotFoundError: No module named 'a_module_that"),
    ("", "AttributeError: "),
    ("SPEC = 'chess'\n", "is a str, not a DomainSpec"),
    (SPEC + "SPEC = DomainSpec('go', {}, None, ('go/x',))\n", "is called 'mine', its spec 'go'"),
    (SPEC + "SPEC = DomainSpec('mine', {}, None, ())\n", "suites is empty"),
    (SPEC + "SPEC = DomainSpec('mine', {}, None, ('go/x',))\n", "must be named mine/SOMETHING"),
    (
        SPEC + "SPEC = DomainSpec('mine', {'engine': Section}, None, ('mine/x',))\n",
        "the section 'engine' is that of the domain 'chess'",
    ),
]


@pytest.mark.parametrize(("code", "reason"), BROKEN)
def test_a_broken_package_is_named_only_when_it_is_asked_for(
    install: Any, code: str, reason: str
) -> None:
    install("mine", code)
    assert load_config("smoke", []).domains == ("chess",)
    assert "mine" not in registry.specs()
    with pytest.raises(InputError) as caught:
        registry.spec_of("mine")
    said = str(caught.value)
    assert said.startswith("the domain 'mine' is installed but cannot be used: mine_package:SPEC")
    assert reason in said and "\n" not in said
    with pytest.raises(InputError, match="unknown key 'mine'; the domain of that name is inst"):
        parse_config({"mine": {"x": 1}}, "file", [])


def test_a_package_that_imports_what_is_made_of_it_learns_how_not_to(
    install: Any, tmp_path: Path
) -> None:
    install("mine", "from selfplay.config.run import RunConfig\n")
    done = selfplay(tmp_path, "validate", "smoke", "domain=mine", places=(tmp_path,))
    assert done.returncode == 2 and "import it in functions, or for types alone" in done.stderr


def test_a_name_that_is_taken_stays_with_the_first(install: Any) -> None:
    install("other", "from toy import SPEC\n")
    assert registry.spec_of("toy") is toy.SPEC
    assert "the entry point is called 'other', its spec 'toy'" in registry.broken()["other"]


@pytest.mark.parametrize("name", ["both", "a b", "", "a/b"])
def test_a_spec_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        DomainSpec(name, {}, toy.Toy, (f"{name}/x",))


# Configured

FAULTS = [
    ("toy.leters=3", "unknown key 'toy.leters'; did you mean 'toy.letters'?"),
    ("toyy={letters: 3}", "unknown key 'toyy'; did you mean 'toy'?"),
    ("toy.letters=many", "'toy.letters' is 'many', expected a whole number"),
    ("toy.letters=0", "'toy.letters' is 0, expected greater than or equal to 1"),
    ("toy.letters=1", "toy.letters=1 must be at least groups_per_step=2; set toy.letters=2"),
    ("eval.suites=[toy/sealed]", "toy/sealed is a test set, opened by `selfplay eval --test`"),
]


@pytest.mark.parametrize(("override", "message"), FAULTS)
def test_the_keys_of_a_domain_are_checked_like_all_others(override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config("smoke", ["domain=toy", override])
    said = str(caught.value)
    assert message in said and said.startswith(f"override '{override}'") and "\n" not in said


def test_what_needs_games_or_listed_actions_names_the_domains_that_have_them() -> None:
    with pytest.raises(InputError, match=r"promotion.match=true needs games; set domain=chess,"):
        load_config("smoke", ["domain=toy", "promotion.match=true"])
    prior = ["domain=toy", "learner={advantage: target, target_prior: 1}"]
    with pytest.raises(InputError, match=r"target_prior=1.0 needs domain=chess, learner.adv"):
        load_config("smoke", prior)


def test_a_section_of_no_installed_domain_says_so() -> None:
    with pytest.raises(InputError, match="unknown key 'countdwn'; the section of a domain is kno"):
        parse_config({"countdwn": {"numbers": 3}}, "file", [])


def test_several_domains_have_shares() -> None:
    several = load_config("smoke", ["domain=[toy, chess]"])
    assert several.domains == ("chess", "toy") == several.used_domains
    assert several.domain_shares == {"chess": 1.0, "toy": 1.0}
    assert several.suites == ["chess/games", "toy/vowels"]
    uneven = load_config("smoke", ["domain=[chess, toy]", "shares={chess: 1, toy: 3}"])
    assert uneven.domain_shares == {"chess": 1.0, "toy": 3.0}
    with pytest.raises(InputError, match="one above 0 for chess, toy"):
        load_config("smoke", ["domain=[chess, toy]", "shares={chess: 1}"])
    with pytest.raises(InputError, match="a list of different ones"):
        load_config("smoke", ["domain=[toy, toy]"])


def test_sections_of_domains_that_are_not_used_are_not_stored() -> None:
    assert "toy" not in RunConfig().as_json()
    assert not {"chess", "engine", "reward", "code"} & set(config().as_json())
    # Asked for, and so kept: as a suite, and as a key that is not as it comes.
    measured = RunConfig.model_validate({"eval": {"suites": ["chess/games", "toy/rare"]}})
    assert {"chess", "toy"} <= set(measured.as_json())
    assert RunConfig.model_validate({"toy": {"letters": 9}}).as_json()["toy"]["letters"] == 9


@pytest.mark.parametrize("domain", ["chess", "code", "toy", "both", ["chess", "toy"]])
def test_what_is_stored_reads_back_equal(domain: Any) -> None:
    """What older runs did (BEFORE) is not put on sections that were left out."""
    given = RunConfig.model_validate({"domain": domain, "groups_per_step": 2})
    assert stored_config(yaml.safe_load(dump_config(given)), "file") == given


def test_a_stored_run_opens_without_a_package_that_it_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "chess.yaml").write_text(dump_config(RunConfig()), encoding="utf-8")
    (tmp_path / "toy.yaml").write_text(dump_config(config()), encoding="utf-8")
    assert selfplay(tmp_path, "validate", "chess.yaml", places=()).returncode == 0
    refused = selfplay(tmp_path, "validate", "toy.yaml", places=())
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1 and "toy.yaml: unknown key 'toy'" in refused.stderr
    assert "known where its package is installed" in refused.stderr


def test_a_key_that_older_runs_lack_means_what_it_meant() -> None:
    older = config().as_json()
    del older["toy"]["capitals"]
    assert parse_config(older, "file", []).section(toy.ToyConfig).capitals is False
    assert stored_config(older, "file").section(toy.ToyConfig).capitals is True


def test_a_resumed_run_keeps_what_the_section_says() -> None:
    kept = kept_keys()
    assert (kept["toy.letters"], kept["toy.capitals"]) == (TASKS, MEASURED)
    assert "toy.max_tokens" not in kept and "toy.notes" not in kept


def test_files_are_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = config(toy={"notes": "notes.txt"}).with_absolute_paths()
    assert given.section(toy.ToyConfig).notes == tmp_path / "notes.txt"


def test_a_new_run_settles_its_sections_and_no_others() -> None:
    assert config(seed=5).fixed_for_good().section(toy.ToyConfig).mark == "seed-5"
    assert RunConfig(seed=5).fixed_for_good().section(toy.ToyConfig).mark == ""


# Tasks


def dealt(tasks: TaskList, n: int) -> list[str]:
    return [task.payload["letter"] for task in tasks.next_tasks(n)]


def toys(letters: str, seed: int = 0) -> TaskList:
    return TaskList([toy.make_task(letter) for letter in letters], seed)


def answer_all(tasks: TaskList, asked: list[Task]) -> None:
    for task in asked:
        tasks.answered(task, [], 0)


def test_each_task_is_asked_once_a_round_in_an_order_of_the_seed() -> None:
    tasks = toys("abcdef")
    rounds = []
    for _ in range(3):
        asked = tasks.next_tasks(6)
        answer_all(tasks, asked)
        rounds.append([task.payload["letter"] for task in asked])
    assert all(sorted(order) == list("abcdef") for order in rounds)
    assert rounds[0] != rounds[1] and rounds[0] == dealt(toys("abcdef"), 6)
    assert any(dealt(toys("abcdef", seed), 6) != rounds[0] for seed in (1, 2, 3))


def test_a_list_is_exhausted_while_all_its_tasks_are_in_flight() -> None:
    tasks = toys("abc")
    first = tasks.next_tasks(2)
    assert len(tasks.next_tasks(5)) == 1 and tasks.next_tasks(5) == []
    tasks.answered(first[0], [], 0)
    assert tasks.next_tasks(5) == [first[0]], "a new round has begun for what is free"
    with pytest.raises(ValueError, match="is not in flight"):
        tasks.answered(toy.make_task("z"), [], 0)


def test_a_skipped_task_is_asked_again_first() -> None:
    tasks = toys("abcdef")
    [first, second] = tasks.next_tasks(2)
    tasks.skip(second.id)
    assert tasks.next_tasks(1) == [second]
    with pytest.raises(ValueError, match="is not in flight"):
        tasks.skip("toy/none")
    assert first.id in tasks.state()["queue"][:2]


def test_a_list_goes_on_from_its_state() -> None:
    tasks = toys("abcdef")
    answer_all(tasks, tasks.next_tasks(4))
    flying = dealt(tasks, 1)
    state = json.loads(json.dumps(tasks.state()))
    other = toys("abcdef")
    other.restore(state)
    assert dealt(other, 1) == flying, "what was in flight is asked again"
    tasks.answered(toy.make_task(flying[0]), [], 0)
    other.answered(toy.make_task(flying[0]), [], 0)
    assert [dealt(tasks, 2) for _ in range(3)] == [dealt(other, 2) for _ in range(3)]
    for wrong in (toys("abcdeg"), toys("abcdef", seed=1), toys("abc")):
        with pytest.raises(InputError, match="tasks are others than those of the saved run"):
            wrong.restore(state)


@pytest.mark.parametrize("letters", ["", "aba"])
def test_a_list_holds_each_task_once(letters: str) -> None:
    with pytest.raises(InputError, match="one task at least, and each only once"):
        toys(letters)


def test_domains_are_mixed_by_their_shares() -> None:
    own = {"suites": [toy.SPEC.suites[0]]}
    several = config(domain=["chess", "toy"], shares={"chess": 1, "toy": 3}, eval=own)
    stub = {"chess": make_domain("toy", several), "toy": make_domain("toy", several)}
    with ExitStack() as stack:
        source = open_sources(several, stub, stack)
        assert len(source.next_tasks(4)) == 4
        assert source.state()["sources"].keys() == {"chess", "toy"}


# Inherited


class Wrong(toy.Toy):
    """Expects of its scorer what it does not do."""

    @override
    def gold(self) -> list[Gold]:
        return [Gold(toy.make_task("k"), " c", "pass")]


class Bare(toy.Toy):
    """The four methods alone."""

    @override
    def gold(self) -> list[Gold]:
        return []


def asked(domain: toy.Toy, answers: dict[str, str], suite: str = "toy/vowels") -> dict[str, Any]:
    """Evaluate with a policy that answers by the letter, and the domain's own scorer."""

    def ask(prompts: Any, samples: int, temperature: float, seed: int = 0) -> list[list[str]]:
        assert (samples, temperature) == (1, 0.0)
        letters = [str(prompt.text)[len("Name a letter after ")] for prompt in prompts]
        return [[answers.get(letter, "!")] for letter in letters]

    def score(given: Any) -> list[list[RewardResult]]:
        with domain.make_scorer(evaluating=True) as scorer:
            return [scorer.score(task, texts) for task, texts in given]

    said: list[str] = []
    found = domain.evaluate(suite, 10, ask, score, said.append)
    assert said == [f"{suite} {len(found['rows'])}/{len(found['rows'])}"]
    return found


def test_an_evaluation_has_shares_means_and_rows() -> None:
    domain = toy.Toy(config())
    found = asked(domain, {"a": " c", "e": " d", "i": " z"})
    assert [row["verdict"] for row in found["rows"]] == [
        "pass",
        "fail",
        "pass",
        "unparsable",
        "unparsable",
    ]
    first = found["rows"][0]
    assert first == {
        "task_id": toy.make_task("a").id,
        "cluster": toy.make_task("a").id,
        "completion": " c",
        "verdict": "pass",
        "value": 1.0,
        "action": "c",
        "distance": 2.0,
    }
    policy = found["policy"]
    assert (policy["pass_rate"]["value"], policy["pass_rate"]["n"]) == (pytest.approx(0.4), 5)
    assert policy["pass_rate"]["low"] < 0.4 < policy["pass_rate"]["high"]
    # Of those that have the part: (2 - 1 + 17) / 3.
    assert (policy["distance"]["value"], policy["distance"]["n"]) == (pytest.approx(6.0), 3)
    assert (
        found["infra_errors"] == 0
        and "distance" in domain.numbers("toy/vowels", found["rows"])["policy"]
    )


def test_what_was_never_scored_is_counted_and_left_out() -> None:
    domain = toy.Toy(config())
    rows = asked(domain, {"a": " c"})["rows"]
    rows[1] = {**rows[1], "verdict": "infra_error"}
    numbers = domain.numbers("toy/vowels", rows)
    assert (numbers["infra_errors"], numbers["policy"]["pass_rate"]["n"]) == (1, 4)
    assert [domain.utility(row) for row in rows] == [1.0, None, 0.0, 0.0, 0.0]


def test_two_evaluations_are_compared_task_by_task() -> None:
    domain = toy.Toy(config())
    base, final = asked(domain, {}), asked(domain, dict.fromkeys("aeiou", "z"))
    paired = domain.compared("toy/vowels", base["rows"], final["rows"])["paired"]["pass_rate"]
    assert paired["difference"]["value"] == 1.0 and paired["p"] == pytest.approx(2 / 2**5)
    same = domain.compared("toy/vowels", base["rows"], base["rows"])["paired"]["pass_rate"]
    assert same["difference"]["value"] == 0.0


def test_the_metrics_of_a_step_are_pass_rate_and_parts() -> None:
    task, domain = toy.make_task("k"), toy.Toy(config())
    with domain.make_scorer(evaluating=False) as scorer:
        results = scorer.score(task, [" m", " c", "7"])
    rollouts = [
        Rollout(task.id, 0, 0, i, [1], [2], [-1.0], "", "stop", result)
        for i, result in enumerate(results)
    ]
    metrics = domain.metrics([Group(task, rollouts)], None)
    assert metrics == {"pass_rate": pytest.approx(1 / 3), "distance": pytest.approx(-3.0)}
    assert domain.metrics([], None) == {"pass_rate": None}


def test_defaults_follow_the_configuration() -> None:
    domain = toy.Toy(config(group_size=6, toy={"max_tokens": 5}, learner={"advantage": "grpo"}))
    task = toy.make_task("k")
    assert (domain.samples(task), domain.max_tokens) == (6, 5)
    assert (domain.advantage.kind, domain.actions(task, 9, 0)) == ("grpo", None)
    assert (domain.message(task), domain.cluster(task)) == (task.id, task.id)
    assert domain.show({}, {}) is None and domain.variants() == domain.own_suites() == []
    assert domain.stored_answers({"completion": " b"}, task) == [" b"]
    assert (domain.payment({}), domain.identity(), domain.may_train(task)) == ({}, {}, False)
    with pytest.raises(InputError, match="needs listed actions, which the domain toy does not"):
        toy.Toy(config(learner={"advantage": "target"})).check()


def test_a_domain_that_trains_is_checked_though_others_are_measured(stockfish: Path) -> None:
    asked = {"suites": ["chess/games"], "nodes": 100}
    wrong = config(learner={"advantage": "target"}, eval=asked, engine={"path": str(stockfish)})
    with pytest.raises(InputError, match="which the domain toy does not"):
        check_evaluation(wrong, Domains(wrong))
    check_evaluation(wrong)


def test_the_scorer_is_tried_with_answers_whose_score_is_known() -> None:
    assert toy.Toy(config()).check_scorer() == "toy: 3 gold answers score as they must"
    assert Bare(config()).check_scorer() == "toy: 0 gold answers score as they must"
    with pytest.raises(InputError, match=r"toy: the gold answer 'c' to toy/\w+ scored fail 0, not"):
        Wrong(config()).check_scorer()


def test_a_file_of_answers_is_scored_whole_or_not_at_all(tmp_path: Path) -> None:
    domain, file = toy.Toy(config()), tmp_path / "answers.jsonl"
    rows = [{"payload": {"letter": "k"}, "completion": text, "who": 1} for text in (" m", " c")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    scored = list(domain.scored(file))
    assert [(row["verdict"], row["value"], row["who"]) for row in scored] == [
        ("pass", 1.0, 1),
        ("fail", 0.0, 1),
    ]
    assert scored[0]["parts"] == {"distance": 2.0} and scored[0]["evidence"] == {"action": "m"}
    file.write_text(json.dumps(rows[0]) + '\n{"completion": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"answers.jsonl:2: key 'payload' must hold the task"):
        domain.scored(file)


# Suites and measures


def test_suites_and_measures_are_known_by_their_names() -> None:
    assert registry.check_suites(["toy/rare"]) == ["toy/rare"]
    with pytest.raises(InputError, match=r"suite 'toy/none' is unknown; there are .*toy/vowels"):
        registry.check_suites(["toy/none"])
    with pytest.raises(InputError, match="suite 'toy/sealed' is a test set"):
        registry.check_suites(["toy/sealed"])
    assert registry.check_suites(["toy/sealed"], test=True) == ["toy/sealed"]
    measure = registry.measure_of("toy/vowels", "distance")
    assert isinstance(measure, Measure) and (measure.title, measure.unit) == ("letters further", "")
    unnamed = Measure("x", "x", bounds=None, unit="")
    assert registry.measure_of("toy/vowels", "x") == registry.measure_of("go/x", "x") == unnamed
    assert registry.measure_of("go/x", "pass@10") == Measure("pass@10", "pass@10")


def test_domains_are_made_once_and_had_by_task_and_suite() -> None:
    domains = Domains(config())
    assert list(domains) == ["toy"] and domains["toy"] is domains.of(toy.make_task("k"))
    assert domains.of_suite("toy/rare") is domains["toy"]
    assert domains.utility("toy/rare", {"verdict": "pass"}) == 1.0


# A dry run, as a user makes it


def test_a_dry_run_starts_no_engine(tmp_path: Path) -> None:
    """Not even one that could not start: its program is none, and it is not asked for."""
    given = ("domain=toy", "engine.path=/no/such/engine")
    done = selfplay(tmp_path, "run", "smoke", *given, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "toy: 3 gold answers score as they must" in done.stdout
    assert "run smoke: model tiny-random, domain toy" in done.stdout
    assert "dry run: all is well" in done.stdout and list(tmp_path.iterdir()) == []
    chess = selfplay(tmp_path, "run", "smoke", *given[1:], "--dry-run")
    assert chess.returncode == 2 and "/no/such/engine" in chess.stderr


def test_core_keys_are_those_of_every_configuration() -> None:
    assert set(RunSettings.model_fields) == registry.CORE_KEYS


def test_a_section_that_would_break_every_configuration_is_refused() -> None:
    class Learner(Section):
        rate: float = 0.1

    class Open(Section):
        rate: float

    for name, kind, said in (("learner", Learner, "every run has"), ("own", Open, "default")):
        made = registry.DomainSpec("x", {name: kind}, lambda run: None, ("x/y",))  # type: ignore[arg-type,return-value]
        with pytest.raises(ValueError, match=said):
            registry._refuse_clash(made, {})


def test_what_is_declared_about_keys_names_keys() -> None:
    with pytest.raises(ValueError, match="KEPT names 'rat', which is no key"):

        class Wrong(Section):
            KEPT = MappingProxyType({"rat": "a slip"})
            rate: float = 0.1


def test_a_prompt_that_no_sampler_could_take_is_refused() -> None:
    with pytest.raises(InputError, match="stop='newline': give one of word, line"):
        Prompt("x", None, "newline", 4)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="either text or messages"):
        Prompt(None, None, "line", 4)
