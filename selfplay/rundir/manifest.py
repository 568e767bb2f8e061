"""What a run ran on: package versions, hardware, commit, command line. For manifest.json."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    *("selfplay-rlvr", "torch", "transformers", "trl", "accelerate", "peft", "ray", "chess"),
    *("numpy", "pyarrow", "pydantic", "tokenizers", "safetensors", "vllm"),
)
CPU_FLAGS = frozenset(
    {"avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile", "bf16", "i8mm", "sve"}
)
"""Flags that decide which kernels run, and so how fast and with which rounding."""

SHIPPED_COMMIT = "commit.json"
"""In a job's copy of the package, which is no checkout: what `commit` was where it was sent."""

_COMMAND_SECONDS = 10.0


def describe_machine() -> dict[str, Any]:
    """Return versions, platform, processor, memory, GPUs and commit; what is not found is null."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": {
            "model": _cpu_model(),
            "flags": sorted(cpu_flags() & CPU_FLAGS),
            "cores": usable_cores(),
            "threads_env": os.environ.get("OMP_NUM_THREADS"),
        },
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus(),
        "git": commit(),
    }


def describe_start(resumed_from: int | None) -> dict[str, Any]:
    """Return when and how this process was started; `resumed_from` is a policy version."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "folder": os.getcwd(),
        "pid": os.getpid(),
        "resumed_from": resumed_from,
    }


def usable_cores() -> int:
    """Return the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_flags() -> set[str]:
    """Return the processor's feature flags (Linux; empty elsewhere)."""
    return set(_cpuinfo("flags").split()) | set(_cpuinfo("Features").split())


def gpus() -> list[str]:
    """Return one line per NVIDIA GPU: name, memory, driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = "--query-gpu=name,memory.total,driver_version"
    text = _output(["nvidia-smi", query, "--format=csv,noheader"])
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def commit() -> dict[str, Any] | None:
    """Return the state of the checkout that this code is from, also where it was shipped to."""
    folder = Path(__file__).resolve().parents[1]
    shipped = folder / SHIPPED_COMMIT
    if shipped.is_file():
        state: dict[str, Any] | None = json.loads(shipped.read_text(encoding="utf-8"))
        return state
    return git_state(folder)


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether files differ from it, or None outside a git checkout."""
    commit = _output(["git", "-C", str(folder), "rev-parse", "HEAD"])
    if commit is None:
        return None
    changed = _output(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    return {"commit": commit.strip(), "dirty": None if changed is None else bool(changed.strip())}


def _output(command: list[str]) -> str | None:
    """Return what a command prints, or None when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    for line in path.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""
