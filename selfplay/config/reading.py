"""Reading a run configuration: YAML file or packaged name, `a.b=c` overrides, one-line errors."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from envs.errors import InputError
from selfplay.config.files import find_config, parse_yaml, read_yaml
from selfplay.config.run import RunConfig
from selfplay.registry import (
    ALIASES,
    DEFAULT,
    Section,
    broken,
    domain_of_suite,
    fault_of,
    section_kinds,
    specs,
    test_suites,
)

Key = tuple[str, ...]


def load_config(source: str | Path, overrides: list[str]) -> RunConfig:
    """Read `source`, apply `overrides` in order and return the checked configuration.

    Args:
        source: path of a YAML file, or the name of a packaged one ("quickstart").
        overrides: `a.b=c`, the value read as YAML.

    Raises:
        InputError: one line naming the file (or override), the key, the fault and the mend.
    """
    path = find_config(source)
    return parse_config(read_yaml(path), str(source if Path(source).exists() else path), overrides)


def parse_config(data: Any, where: str, overrides: list[str]) -> RunConfig:
    """Check `data`, the parsed YAML of `where`, with `overrides` applied."""
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InputError(f"{where}: the file must hold keys and values, not {_kind(data)}")
    origin: dict[Key, str] = {}
    for text in overrides:
        _apply_override(data, text, origin)
    _refuse_unknown(data, where, origin)
    _expand_home(data)
    try:
        config = RunConfig.model_validate(data)
    except ValidationError as error:
        raise InputError(_explain(error, data, where, origin)) from error
    _refuse_loose(data, config, where, origin)
    for suite in config.eval.suites or ():
        if suite in test_suites():
            raise InputError(
                f"{_source(('eval', 'suites'), where, origin)}: eval.suites: {suite} is a test "
                "set, opened by `selfplay eval --test` alone; leave it out"
            )
    return config


def stored_config(data: Any, where: str) -> RunConfig:
    """Return the configuration of a run folder; keys that it lacks mean what they meant before.

    Raises InputError as parse_config does, and where a domain that the run needs is not installed.
    """
    if isinstance(data, dict):
        _refuse_missing(data, where)
        for section, kind in sections().items():
            if section not in data and section in section_kinds():
                continue  # left out by as_json: the run does not use that domain
            for key, value in kind.BEFORE.items():
                part = data.setdefault(section, {})
                if isinstance(part, dict):
                    part.setdefault(key, value)
    return parse_config(data, where, [])


def _refuse_missing(data: dict[str, Any], where: str) -> None:
    """Raise InputError where a run's configuration names a domain that is not installed."""
    given, part = data.get("domain", DEFAULT), data.get("eval")
    suites = part.get("suites") if isinstance(part, dict) else None
    named = [*given] if isinstance(given, list) else [given]
    named += map(domain_of_suite, filter(_is_text, suites or ()))
    for name in filter(_is_text, named):
        for one in ALIASES.get(name, (name,)):
            if one in broken():
                raise InputError(f"{where}: {fault_of(one)}")
            if one not in specs():
                raise InputError(
                    f"{where}: the run needs the domain {one!r}, which is not installed here; "
                    f"install the package that it is from (there are {', '.join(specs())})"
                )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def dump_config(config: RunConfig) -> str:
    """Return the resolved configuration as YAML that `load_config` reads back to an equal one."""
    return yaml.safe_dump(config.as_json(), sort_keys=False, allow_unicode=True)


def dump_whole(config: RunConfig) -> str:
    """Return the same with the sections of every installed domain, used or not."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def sections() -> dict[str, type[Section]]:
    """Return every section of the configuration, those of domains included, by its key."""
    kinds = {key: field.annotation for key, field in RunConfig.model_fields.items()}
    own = {k: v for k, v in kinds.items() if isinstance(v, type) and issubclass(v, Section)}
    return own | section_kinds()


def differing_keys(old: RunConfig, new: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Return dotted key -> (old, new) for every leaf that differs."""
    before = dict(_leaves(old.model_dump(mode="json")))
    after = dict(_leaves(new.model_dump(mode="json")))
    return {
        ".".join(key): (before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    }


def _apply_override(data: dict[str, Any], text: str, origin: dict[Key, str]) -> None:
    """Put one override into `data`; a table such as chess.sources keeps its other defaults."""
    dotted, equals, raw = text.partition("=")
    key = tuple(dotted.strip().split("."))
    if not equals or not all(key):
        raise InputError(f"override '{text}': write it as key=value, e.g. chess.style=pgn")
    try:
        value = parse_yaml(raw)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"override '{text}': the value is not valid YAML; quote it") from error
    default: Any = RunConfig()
    if isinstance(_default_at(key), str) and isinstance(value, (int, float)):
        value = raw  # `--name`-like words that happen to look like numbers
    node = data
    for part in key[:-1]:
        default = getattr(default, part, None)
        if node.get(part) is None:
            node[part] = dict(default) if isinstance(default, dict) else {}
        node = node[part]
        if not isinstance(node, dict):
            raise InputError(f"override '{text}': '{part}' is a value, not a section")
    node[key[-1]] = value
    origin[key] = f"override '{text}'"


def _default_at(key: Key) -> Any:
    node: Any = RunConfig()
    for part in key:
        node = node.get(part) if isinstance(node, dict) else getattr(node, part, None)
    return node


def _known_keys(model: type[BaseModel] = RunConfig, prefix: Key = ()) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        yield (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_keys(field.annotation, (*prefix, name))


def _refuse_unknown(data: dict[str, Any], where: str, origin: dict[Key, str]) -> None:
    keys = list(_known_keys())
    known = {".".join(key) for key in keys}
    sections = {".".join(key[:-1]) for key in keys if len(key) > 1}

    def walk(node: dict[str, Any], prefix: Key) -> None:
        for name, value in node.items():
            key = (*prefix, str(name))
            dotted = ".".join(key)
            if dotted not in known:
                hint = _hint(dotted, value, known)
                raise InputError(f"{_source(key, where, origin)}: unknown key '{dotted}'; {hint}")
            if dotted in sections and isinstance(value, dict):
                walk(value, key)

    walk(data, ())


def _hint(dotted: str, value: Any, known: set[str]) -> str:
    """Return what may mend an unknown key."""
    if dotted in broken():
        return f"the domain of that name is installed but cannot be used: {broken()[dotted]}"
    section = isinstance(value, dict) and "." not in dotted
    near = _nearest(dotted, {key for key in known if "." not in key} if section else known)
    if section:
        hint = f"did you mean '{near}'? " if near else ""
        return f"{hint}the section of a domain is known where its package is installed"
    if near:
        return f"did you mean '{near}'?"
    return "`selfplay validate quickstart` prints every key"


def _nearest(dotted: str, known: set[str]) -> str | None:
    """Return the known key closest to `dotted`: by the whole, else by its last word."""
    whole = difflib.get_close_matches(dotted, sorted(known), n=1, cutoff=0.75)
    if whole:
        return whole[0]
    by_word = {key.rpartition(".")[2]: key for key in sorted(known, reverse=True)}
    word = difflib.get_close_matches(dotted.rpartition(".")[2], by_word, n=1, cutoff=0.7)
    return by_word[word[0]] if word else None


def _source(key: Key, where: str, origin: dict[Key, str]) -> str:
    for length in range(len(key), 0, -1):
        if key[:length] in origin:
            return origin[key[:length]]
    within = (text for part, text in origin.items() if part[: len(key)] == key)
    return next(within, where)


_EXPECTED = {
    "missing": "one value more",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text (put it in quotes)",
    "list_type": "a list such as [a, b]",
    "model_type": "a section of keys",
    "dict_type": "a section of keys",
}
"""Plain words for pydantic's error types; others keep pydantic's message."""


def _explain(error: ValidationError, data: Any, where: str, origin: dict[Key, str]) -> str:
    first = error.errors(include_url=False)[0]
    # Names of the alternatives of a union, and of a table's keys, are no part of the user's key.
    key = tuple(str(part) for part in first["loc"] if part not in ("[key]", "str", "list[str]"))
    message = " ".join(str(first["msg"]).removeprefix("Value error, ").split())
    if not key:
        return f"{_source_of_fault(message, where, origin)}: {message}"
    expected = _EXPECTED.get(first["type"]) or message.removeprefix("Input should be ")
    given = repr(first["input"])
    given = given if len(given) <= 80 else given[:77] + "..."
    dotted = ".".join(key)
    return f"{_source(key, where, origin)}: '{dotted}' is {given}, expected {expected}"


def _source_of_fault(message: str, where: str, origin: dict[Key, str]) -> str:
    """Return the override whose key a whole-config fault names first, else the file."""
    for key, text in origin.items():
        if f"{key[-1]}=" in message:
            return text
    return where


def _leaves(node: Any, prefix: Key = ()) -> Iterator[tuple[Key, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, (*prefix, str(name)))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _leaves(value, (*prefix, str(index)))
    else:
        yield prefix, node


def _refuse_loose(
    data: dict[str, Any], config: RunConfig, where: str, origin: dict[Key, str]
) -> None:
    """Refuse what pydantic lets pass: true for a number, and infinity or NaN."""
    resolved = dict(_leaves(config.model_dump(mode="python")))
    for key, value in _leaves(data):
        dotted = ".".join(key)
        if isinstance(value, bool) and not isinstance(resolved.get(key), bool):
            raise InputError(
                f"{_source(key, where, origin)}: '{dotted}' is {str(value).lower()}, "
                "expected a number"
            )
        if isinstance(resolved.get(key), float) and not math.isfinite(resolved[key]):
            raise InputError(
                f"{_source(key, where, origin)}: '{dotted}' is {value}, expected a finite number"
            )


def _expand_home(node: Any) -> None:
    """Expand a leading ~/ in place: the shell does not expand it after the `=` of an override."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if isinstance(value, (dict, list)):
            _expand_home(value)
        elif isinstance(value, str) and value.startswith("~/"):
            node[key] = str(Path(value).expanduser())


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"a single {type(value).__name__}"
