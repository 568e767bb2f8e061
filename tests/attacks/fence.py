"""The outer fence: whatever gets out of the sandbox under test stays in here.

Bubblewrap makes namespaces of their own for processes, network, IPC and mounts, all read-only but
an empty /tmp. Inside, before any attack: a user namespace in which even root is nobody outside,
caps on processes, memory, CPU and file size, and the first place on the OOM killer's list.
"""

from __future__ import annotations

import ctypes
import functools
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rewards.code.sandbox.launch import standard_library
from tests.patience import FACTOR, patient

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = patient(140)
"""After this the fence is torn down, with everything in it."""
_CLONE_NEWUSER = 0x10000000
_FIRST_UID, _UIDS = 100_000, 65_536
_ORDINARY = 1000
_LIMITS = {
    resource.RLIMIT_NPROC: 64,
    resource.RLIMIT_AS: 1 << 30,
    resource.RLIMIT_CPU: 300,
    resource.RLIMIT_FSIZE: 16 << 20,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_CORE: 0,
}

User = Literal["root", "ordinary"]


@dataclass(frozen=True)
class Setting:
    """Who runs the sandbox under test, and whether with bubblewrap."""

    user: User
    bubblewrap: bool

    def __str__(self) -> str:
        return f"{self.user}-{'bubblewrap' if self.bubblewrap else 'plain'}"


SETTINGS = [Setting(user, wrapped) for user in ("root", "ordinary") for wrapped in (True, False)]


def run(setting: Setting, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module USER BUBBLEWRAP *words` behind the fence; 124 when its time is up."""
    command = [
        *_bubblewrap(),
        "--",
        "/usr/bin/env",
        "-i",
        "PATH=/usr/bin:/bin",
        f"PYTHONPATH={CHECKOUT}",
        f"LD_LIBRARY_PATH={os.environ.get('LD_LIBRARY_PATH', '')}",
        f"SELFPLAY_TEST_PATIENCE={FACTOR:g}",
        os.path.realpath(sys.executable),
        *("-s", "-S", "-P", "-B", "-X", "utf8", "-m", module),
        setting.user,
        "yes" if setting.bubblewrap else "no",
        *words,
    ]
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        text = output if isinstance(output, str) else output.decode("utf-8", "replace")
        return subprocess.CompletedProcess(command, 124, text, "the fence's time was up")


@functools.cache
def missing(user: User) -> str | None:
    """Return why there can be no fence for this user; None where there is one."""
    if sys.platform != "linux":
        return "no fence: attacks need Linux namespaces"
    if shutil.which("bwrap") is None:
        return "no fence: bubblewrap is not installed (apt-get install bubblewrap)"
    if user == "root" and os.geteuid() != 0:
        return "no fence for root: the tests run as an ordinary user"
    tried = run(Setting(user, bubblewrap=False), "tests.attacks.fence")
    if tried.returncode != 0 or "fenced" not in tried.stdout:
        last = (tried.stderr.strip().splitlines() or ["it does not start"])[-1]
        # What the machine refuses is an OSError or bubblewrap's own; anything else is a bug here.
        assert not last.startswith(("ImportError", "ModuleNotFoundError", "NameError")), last
        return f"no fence: {last}"
    return None


def _bubblewrap() -> list[str]:
    words = ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"]
    words += ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "fence"]
    if os.geteuid() != 0:
        words.append("--unshare-user")
    ours = ("envs", "rewards", "tests/__init__.py", "tests/attacks", "tests/patience.py")
    code = [CHECKOUT / name for name in ours]
    python = [Path(os.path.realpath(sys.executable)), standard_library()]
    python += Path(sys.base_prefix, "lib").glob("*.so*")
    # First the empty /tmp: a checkout may lie below it.
    words += ["--perms", "1777", "--tmpfs", "/tmp"]
    # Folders above them open to all, whatever they are outside.
    for parent in sorted({parent for path in (*code, *python) for parent in path.parents}):
        words += ["--dir", str(parent)]
    system = [Path(name) for name in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")]
    for path in (*system, *python, *code):
        words += ["--ro-bind-try", str(path), str(path)]
    words += ["--proc", "/proc", "--dev", "/dev"]
    return [*words, "--chdir", "/"]


def enter(user: User) -> None:
    """Do the fence's inner half to the calling process, which `run` started. Raises OSError."""
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if os.geteuid() == 0:
        _leave_root_behind(0 if user == "root" else _ORDINARY)
    for which, value in _LIMITS.items():
        resource.setrlimit(which, (value, value))


def _leave_root_behind(uid: int) -> None:
    """Move into a user namespace whose root is uid 100000 outside, and become `uid` there."""
    parent = os.getpid()
    ready, tell = os.pipe()
    helper = os.fork()
    if helper == 0:
        # Stays outside: only there may somebody hand out the range.
        try:
            os.read(ready, 1)
            for kind in ("uid", "gid"):
                line = f"0 {_FIRST_UID} {_UIDS}"
                Path(f"/proc/{parent}/{kind}_map").write_text(line, encoding="ascii")
            os._exit(0)
        finally:
            os._exit(1)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    os.write(tell, b"x")
    if os.waitpid(helper, 0)[1] != 0:
        raise OSError("the user namespace got no range of uids")
    for descriptor in (ready, tell):
        os.close(descriptor)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def forks() -> Iterator[int]:
    """Yield children until the cap on processes stops it; end them all."""
    ready, hold = os.pipe()
    made = []
    try:
        while len(made) < 4 * _LIMITS[resource.RLIMIT_NPROC]:
            pid = os.fork()
            if pid == 0:
                os.close(hold)
                os.read(ready, 1)
                os._exit(0)
            made.append(pid)
            yield pid
    except BlockingIOError:
        return
    finally:
        os.close(hold)
        for pid in made:
            os.waitpid(pid, 0)


def main() -> None:
    """Prove the fence: the cap on processes, and that root is not the machine's."""
    enter("root" if sys.argv[1] == "root" else "ordinary")
    children = sum(1 for _ in forks())
    assert children < 2 * _LIMITS[resource.RLIMIT_NPROC], f"{children} processes"
    assert os.listdir("/sys/class/net") == ["lo"] if os.path.exists("/sys/class/net") else True
    outer = Path("/proc/self/uid_map").read_text(encoding="ascii").split()[1]
    assert outer != "0", "root is root outside"
    print("fenced")


if __name__ == "__main__":
    main()
