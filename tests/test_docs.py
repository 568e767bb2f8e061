"""The documents hold to the code: links, commands, options, keys, files and figures are there."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup

from selfplay.cli.commands import app
from selfplay.config.reading import load_config, parse_config
from selfplay.config.run import RunConfig

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES = sorted((ROOT / "docs").glob("*.md"))
CLI = typer.main.get_command(app)


def named(path: Path) -> str:
    """A document's path from the root, which names its test."""
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    """A document's text."""
    return path.read_text(encoding="utf-8")


def fenced(text: str, language: str = "") -> list[str]:
    """The contents of the fenced blocks in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [body for given, body in found if given == language]


def lines_of(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of every line in a fenced block that calls the program."""
    for body in fenced(text):
        for line in body.replace("\\\n", " ").splitlines():
            if line.startswith(f"{program} "):
                yield shlex.split(line, comments=True)[1:]


def mentions(text: str) -> Iterator[list[str]]:
    """The words of every `selfplay ...` in a sentence."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for words in re.findall(r"`selfplay ([^`]+)`", text):
        yield words.split()


def resolve(words: list[str]) -> tuple[TyperCommand | TyperGroup, list[str]]:
    """The subcommand that words name, and the rest of them."""
    command: TyperCommand | TyperGroup = CLI
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        alternatives = words[0].split("|")
        assert set(alternatives) <= set(command.commands), f"no command {words[0]}"
        command, words = command.commands[alternatives[0]], words[1:]
    return command, words


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """All keys of the configuration, dotted."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= keys(field.annotation, f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_relative_links_lead_somewhere(path: Path) -> None:
    missing = []
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)]*)\)", text_of(path)):
        if "://" in link:
            continue
        target = path.parent / link if link else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append((link, anchor))
    assert missing == []


def test_the_index_has_every_page_and_the_readme_leads_to_it() -> None:
    index = ROOT / "docs" / "README.md"
    linked = set(re.findall(r"\]\(([\w]+\.md)\)", text_of(index)))
    assert linked == {path.name for path in PAGES} - {index.name}
    assert "](docs/README.md)" in text_of(README)


def test_the_readme_is_short_and_its_first_screen_has_a_table_and_a_picture() -> None:
    lines = text_of(README).splitlines()
    assert len(lines) <= 110
    first = "\n".join(lines[:40])
    assert "make quickstart" in first and "make test" in first
    assert "<!-- results -->" in first and "<!-- /results -->" in first
    (picture,) = re.findall(r"^!\[.+\]\((docs/img/\S+)\)$", first, flags=re.MULTILINE)
    assert (ROOT / picture).stat().st_size < 250_000


def test_figures_in_the_readme_are_those_of_the_results() -> None:
    figure = r"[+-]?\d[\d.]*%?(?: points)? \[[^\]]*\]"
    shown = re.findall(figure, text_of(README).replace("**", ""))
    measured = text_of(ROOT / "docs" / "results.md").replace("**", "")
    assert len(shown) >= 10
    assert [one for one in shown if one not in measured] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_command_lines_are_accepted(path: Path) -> None:
    for words in lines_of(text_of(path), "selfplay"):
        command, rest = resolve(words)
        if command is not CLI and "--help" not in rest:
            given = command.make_context(command.name, list(rest)).params
            changes = list(given.get("overrides") or [])
            if isinstance(given.get("config"), str):
                load_config(given["config"], changes)
            else:
                parse_config({}, "defaults", changes)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_commands_and_options_in_sentences_exist(path: Path) -> None:
    for words in mentions(text_of(path)):
        if words[0].isupper():
            continue
        command, rest = resolve(words)
        known = {"--help"}
        for parameter in command.params:
            known |= {*parameter.opts, *parameter.secondary_opts}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known, words


def test_every_command_has_an_example_in_the_list_of_commands() -> None:
    shown = {words[0] for words in lines_of(text_of(ROOT / "docs" / "commands.md"), "selfplay")}
    assert isinstance(CLI, TyperGroup)
    assert set(CLI.commands) <= shown


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_targets_of_make_exist(path: Path) -> None:
    known = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), flags=re.MULTILINE))
    assert {words[0] for words in lines_of(text_of(path), "make")} <= known
    assert set(re.findall(r"`make ([\w-]+)", text_of(path))) <= known


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path != CHANGELOG], ids=named)
def test_files_of_the_project_that_are_named_exist(path: Path) -> None:
    rooms = "benchmarks|configs|envs|examples|rewards|scripts|selfplay|tests"
    pattern = rf"(?<![\w/.-])(?:{rooms})/[\w./-]*\.(?:py|yaml|sh|toml)\b"
    assert [name for name in re.findall(pattern, text_of(path)) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_options_of_the_benchmarks_exist(path: Path) -> None:
    for words in lines_of(text_of(path), "python"):
        if words[0].startswith("benchmarks/"):
            source = text_of(ROOT / words[0])
            assert [word for word in words if word[:2] == "--" and f'"{word}"' not in source] == []


def test_examples_in_python_call_what_there_is() -> None:
    """Imports of the project resolve, and calls of what they bind take the given keywords."""
    examples = [body for path in DOCUMENTS for body in fenced(text_of(path), "python")]
    assert examples
    for body in examples:
        bound: dict[str, object] = {}
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(
                ("envs", "rewards", "selfplay")
            ):
                module = importlib.import_module(str(node.module))
                bound |= {name.name: getattr(module, name.name) for name in node.names}
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                function = bound.get(node.func.id)
                raised = isinstance(function, type) and issubclass(function, Exception)
                if callable(function) and not raised:
                    given = {word.arg: None for word in node.keywords if word.arg}
                    inspect.signature(function).bind_partial(*node.args, **given)


def test_configuration_keys_in_the_documents_exist() -> None:
    known = keys(RunConfig)
    sections = {key.split(".")[0] for key in known if "." in key}
    pattern = re.compile(rf"`((?:{'|'.join(sorted(sections))})\.[a-z_]+)(?:=[^`]*)?`")
    found = {
        (path.name, key)
        for path in DOCUMENTS
        for key in pattern.findall(text_of(path))
        if not key.endswith((".py", ".yaml"))
    }
    assert len(found) > 10
    assert {(name, key) for name, key in found if key not in known} == set()


def test_the_page_on_configuration_names_every_file() -> None:
    page = text_of(ROOT / "docs" / "configuration.md")
    assert [p.name for p in (ROOT / "configs").rglob("*.yaml") if p.name not in page] == []
