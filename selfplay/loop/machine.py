"""Does this machine have what a run needs: its model, memory, disk, processor and Ray?"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import psutil

from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.display.numbers import size
from selfplay.domains.made import Domains
from selfplay.registry import spec_of
from selfplay.rundir.manifest import gpus, usable_cores
from selfplay.rundir.place import writable_place

Outcome = Literal["ok", "warn", "fail"]

RAY_SECONDS = 120.0
_BYTES_PER_TRAINED = 16
"""float32 weight, gradient and AdamW's two moments."""
_BYTES_PER_SAMPLED = 4
_LEAST_DISK = 64 * 2**20
"""Room for what a run writes besides checkpoints before anybody would look."""
_PROCESS_BYTES = 700 * 2**20
"""What a process takes once torch and transformers are imported (measured: 0.5-0.7 GiB)."""


def check_model(config: RunConfig) -> tuple[Outcome, str]:
    """Find the model, load its tokenizer and ask whether its family can be packed.

    Raises:
        InputError: there is no such model, or it cannot be trained here.
    """
    from selfplay.fidelity.family import refuse_unfit
    from selfplay.models.load import load_tokenizer

    tokenizer = load_tokenizer(config.model)
    refuse_unfit(config.model)
    count = parameters(config.model)
    known = f"{count / 1e6:.3g}M parameters" if count else "parameters unknown"
    for name, domain in Domains(config).items():
        tasks = domain.suite_tasks(spec_of(name).suites[0], 1)
        chats = any(domain.render(task).messages is not None for task in tasks)
        if chats and tokenizer.chat_template is None:
            return "fail", (
                f"{config.model} has no chat template and the prompts of {name} are chats: set "
                "another style of prompts, or another model"
            )
    return "ok", f"{config.model}: {known}, vocabulary of {len(tokenizer)}"


def check_memory(config: RunConfig) -> tuple[Outcome, str]:
    """Compare the memory at hand with an estimate of weights, optimiser and processes."""
    free = psutil.virtual_memory().available
    count = parameters(config.model)
    if count is None:
        return "warn", f"{size(free)} free; the model's size is unknown"
    trained, sampled = config.learner.workers, config.sampler.count
    guests = sampled * config.sampler.guests if config.has_guests else 0
    need = count * (_BYTES_PER_TRAINED * trained + _BYTES_PER_SAMPLED * (sampled + guests + 1))
    need += _PROCESS_BYTES * (trained + sampled + 1) + config.ray.object_store_mb * 2**20
    detail = f"{size(free)} free, about {size(need)} needed, activations not counted"
    if free < need:
        return ("warn" if gpus() else "fail"), detail
    return "ok", detail


def refuse_full_disk(config: RunConfig) -> None:
    """Refuse a place where not even one checkpoint would fit.

    Raises:
        InputError: it cannot be written, or is full.
    """
    folder = writable_place(config.runs_dir)
    free = shutil.disk_usage(folder).free
    need = _LEAST_DISK + (parameters(config.model) or 0) * _BYTES_PER_TRAINED
    if free < need:
        raise InputError(
            f"{folder}: {size(free)} free, and one checkpoint needs {size(need)}; make room, or "
            "choose another place with runs_dir=FOLDER"
        )


def check_disk(config: RunConfig) -> tuple[Outcome, str]:
    """Compare the space below runs_dir with what the checkpoints take.

    Raises:
        InputError: it cannot be written.
    """
    folder = writable_place(config.runs_dir)
    free = shutil.disk_usage(folder).free
    count = parameters(config.model) or 0
    models = max(1, config.steps // config.checkpoint.every)
    models += config.steps // config.league.every if config.league.every else 0
    need = 2**30 + count * (4 * models + 12 * (config.checkpoint.keep + 1))
    detail = f"{size(free)} free at {folder}, up to {size(need)} needed"
    return ("ok" if free >= need else "fail"), detail


def check_processor(config: RunConfig) -> tuple[Outcome, str]:
    """Say what there is to compute with."""
    from selfplay.models.load import cpu_has_bf16

    cores = usable_cores()
    bf16 = "bfloat16 in hardware" if cpu_has_bf16() else "no bfloat16 in hardware: float32"
    found = gpus()
    detail = f"{cores} cores, {bf16}; GPUs: {', '.join(found) if found else 'none'}"
    if cores < 2:
        return "warn", f"{detail}; one core makes a run about twice as long"
    return "ok", detail


def check_ray(config: RunConfig) -> tuple[Outcome, str]:
    """Start a local Ray (or join the configured cluster) in a process of its own and use it."""
    address = config.ray.address or os.environ.get("RAY_ADDRESS")
    program = (
        "import sys, ray\n"
        "own = {} if sys.argv[1] else dict(num_cpus=1, include_dashboard=False,\n"
        "                                  object_store_memory=100 * 2**20)\n"
        "address = sys.argv[1] or 'local'\n"
        "ray.init(address=address, log_to_driver=False, logging_level='ERROR', **own)\n"
        "assert ray.get(ray.remote(lambda: 42).remote(), timeout=60) == 42\n"
        "print(ray.__version__, int(ray.cluster_resources().get('CPU', 0)))\n"
        "ray.shutdown()\n"
    )
    code, output = _bounded([sys.executable, "-c", program, address or ""], RAY_SECONDS)
    if code is None:
        return "fail", f"Ray did not start within {RAY_SECONDS:.0f} s"
    if code != 0:
        last = (output.strip().splitlines() or ["no output"])[-1]
        return "fail", f"Ray does not start: {last}"
    version, cpus = output.strip().splitlines()[-1].split()
    place = f"cluster at {address} with {cpus} CPUs" if address else "a local Ray starts and stops"
    return "ok", f"Ray {version}: {place}"


def find_ray(config: RunConfig) -> tuple[Outcome, str]:
    """Say whether Ray is installed; starts nothing."""
    import importlib.metadata

    try:
        return "ok", f"Ray {importlib.metadata.version('ray')} is installed (not started)"
    except importlib.metadata.PackageNotFoundError:
        return "fail", "Ray is not installed; type: python -m pip install 'ray[train]'"


def parameters(model: str) -> int | None:
    """Return the number of weights from the safetensors headers, or None for a hub model."""
    from selfplay.models.headers import parameters_of
    from selfplay.models.load import resolve_model

    try:
        folder = resolve_model(model)
    except InputError:
        return None
    if not isinstance(folder, Path):
        return None
    return parameters_of(folder)


def _bounded(command: list[str], seconds: float) -> tuple[int | None, str]:
    """Run a command; past its time it and all that it started are killed and the code is None."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        if isinstance(error, subprocess.TimeoutExpired):
            return None, ""
        raise
    return process.returncode, output
