"""Configuration files: found by path or packaged name, read as YAML without surprises."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

import selfplay
from envs.errors import InputError


def find_config(source: str | Path) -> Path:
    """Return the path of a configuration file: `source` itself, else the packaged one of that name.

    Raises:
        InputError: there is neither; the message lists what is packaged.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    names = packaged_configs()
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    if stem in names and (path.parent == Path() or path.parent.name == "configs"):
        return names[stem]
    near = difflib.get_close_matches(stem, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"packaged: {', '.join(names) or 'none'}"
    kind = "a folder, not a configuration file" if path.is_dir() else "no such configuration file"
    raise InputError(f"{source}: {kind}; {hint}")


def packaged_configs() -> dict[str, Path]:
    """Return name -> path of the configurations that come with the package or the checkout."""
    package = Path(selfplay.__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
        if found:
            return found
    return {}


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-5 as a number (YAML 1.2) and refuses a key given twice."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is no plain word", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key '{key}' is given twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _unique_mapping)


def parse_yaml(text: str) -> Any:
    """Return what YAML says; 1e-5 is a number, and a key given twice an error."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file. Raises InputError naming file, line and fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(f"{path}{line}: not valid YAML: {' '.join(problem.split())}") from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply") from error
