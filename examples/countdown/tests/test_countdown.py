from countdown import SHOTS, SUITES, Countdown
from countdown.tasks import asked, judged
from selfplay.config.run import RunConfig

DOMAIN = Countdown(RunConfig())
RULES = ("{0} + {1}", "{1} + {2}", "{0} + {1} + {2}", "{2} - {0}", "{0} * {1}", "{0} + {2} - {1}")


def test_nothing_that_is_evaluated_trains_or_stands_in_the_prompt() -> None:
    held = {DOMAIN.cluster(task) for suite in SUITES for task in DOMAIN.suite_tasks(suite, 512)}
    trained = DOMAIN.open_source(None).next_tasks(2000)
    assert len(trained) == 2000 and not held & {DOMAIN.cluster(task) for task in trained}
    assert not [numbers for numbers in held if numbers.replace(" ", ", ") in SHOTS]


def test_answers_are_scored_exactly_and_six_rules_of_one_line_pass_less_than_17_percent() -> None:
    assert DOMAIN.check_scorer().endswith("gold answers score as they must")
    tasks = DOMAIN.suite_tasks("countdown/heldout", 512)
    for rule in RULES:
        answers = [rule.format(*sorted(asked(task)[0])) for task in tasks]
        right = sum(judged(*one) == "pass" for one in zip(tasks, answers, strict=True))
        assert right < 0.17 * len(tasks), rule
