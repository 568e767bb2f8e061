"""What actors say of themselves, and what Ray says of those that died, in a line."""

from __future__ import annotations

import os
from typing import Any

import ray
from ray.exceptions import RayError


def whereabouts() -> dict[str, Any]:
    """Return the Ray node, the address and the process that this runs in."""
    return {
        "node": ray.get_runtime_context().get_node_id(),
        "address": ray.util.get_node_ip_address(),
        "pid": os.getpid(),
    }


def first_line(error: BaseException | None) -> str:
    """Return an error's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def last_line(error: BaseException) -> str:
    """Return what an actor's __init__ raised: the end of the traceback in Ray's message."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(error).__name__


def doing(actor: Any) -> str:
    """Return what an actor says it is working on, asked for two seconds at most."""
    try:
        return str(ray.get(actor.doing.remote(), timeout=2.0))
    except RayError as error:
        return f"unreachable ({first_line(error)})"
