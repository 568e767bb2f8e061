"""The attack that a sandbox makes on itself before it takes any candidate: it decides the tier.

Every probe is harmless where it gets through, since then nothing but rlimits holds it.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rewards.code.sandbox.candidate import Candidate
from rewards.code.sandbox.types import Limits, SandboxError

_PROBES = '''
import _socket, _thread, ctypes, errno, os, resource
libc = ctypes.CDLL(None, use_errno=True)

def control(word):
    return word[::-1]

def allocate(megabytes):
    return len(bytearray(megabytes << 20))

def raw(*arguments):
    """Whether the kernel did it, or would have."""
    result = libc.syscall(*(ctypes.c_long(one) for one in arguments))
    return result >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS, errno.EACCES)

def read_file(path):
    return open(path).read()

def write_file(path):
    with open(path, "w") as file:
        file.write("changed")

def make_file(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))

def list_folder(path):
    return os.listdir(path)

def list_processes(path):
    return [name for name in os.listdir("/proc") if name.isdigit()]

def fork(path):
    if os.fork() == 0:
        os._exit(0)

def thread(path):
    _thread.start_new_thread(int, ())

def execute(path):
    try:
        os.execv("/nowhere/at/all", ["nothing"])
    except FileNotFoundError:
        pass

def signal_parent(path):
    os.kill(os.getppid(), 0)

def limit_parent(path):
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)

def tcp(path):
    _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)

def udp(path):
    _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)

def unix(path):
    _socket.socket(_socket.AF_UNIX)

def memfd(path):
    os.memfd_create("probe")

def be_root(path):
    if os.geteuid() != 0:
        raise PermissionError

def trace(path):
    """ptrace(PTRACE_TRACEME)"""
    if not raw(117 if os.uname().machine == "aarch64" else 101, 0, 0, 0, 0):
        raise PermissionError

def io_uring(path):
    if not raw(425, 0, 0):
        raise PermissionError
'''
_ON_FILES = ("read_file", "write_file")
_ON_NEW_FILE = ("make_file",)
_ON_FOLDER = ("list_folder",)
_PLAIN = (
    "list_processes",
    "fork",
    "thread",
    "execute",
    "signal_parent",
    "limit_parent",
    "tcp",
    "udp",
    "unix",
    "memfd",
    "be_root",
    "trace",
    "io_uring",
)


class Attacked(Protocol):
    """What is asked of a sandbox here."""

    limits: Limits

    def open(self, source: str, *, limits: Limits | None = None) -> Candidate:
        """See Sandbox."""


def attack(sandbox: Attacked) -> dict[str, bool]:
    """Return for each attack whether the sandbox refused it.

    Raises SandboxError when honest programs do not work, or the memory limit does not.
    """
    with tempfile.TemporaryDirectory(prefix="sandbox-probe-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        secret = folder / "secret"
        secret.write_text(secrets.token_hex(8), encoding="ascii")
        secret.chmod(0o666)
        before = secret.read_text(encoding="ascii")
        targets = dict.fromkeys(_PLAIN, "") | dict.fromkeys(_ON_FILES, str(secret))
        targets |= dict.fromkeys(_ON_NEW_FILE, str(folder / "new"))
        targets |= dict.fromkeys(_ON_FOLDER, str(folder))
        refused = {name: _refused(sandbox, name, target) for name, target in targets.items()}
        refused["write_file"] &= secret.read_text(encoding="ascii") == before
        refused["make_file"] &= os.listdir(folder) == ["secret"]
    _check_memory(sandbox)
    return refused


def _refused(sandbox: Attacked, name: str, target: str) -> bool:
    """Try one attack in a candidate of its own, after a call that must work."""
    # One thread is what `processes` may allow; the attack is on what it forbids.
    with sandbox.open(_PROBES, limits=replace(sandbox.limits, processes=1)) as candidate:
        if candidate.load.status != "ok":
            raise SandboxError(f"self-attack: the probes do not load: {candidate.load.detail}")
        control = candidate.call("control", ["stressed"])
        if (control.status, control.value) != ("ok", "desserts"):
            raise SandboxError(f"self-attack: an honest call failed: {control}")
        return candidate.call(name, [target]).status == "exception"


def _check_memory(sandbox: Attacked) -> None:
    wanted = sandbox.limits.memory_mb + 64
    with sandbox.open(_PROBES) as candidate:
        outcome = candidate.call("allocate", [wanted])
    if outcome.status != "memory":
        raise SandboxError(
            f"self-attack: {wanted} MiB could be had beyond memory_mb={sandbox.limits.memory_mb} "
            f"({outcome.status})"
        )
