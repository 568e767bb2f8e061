"""Starts a zygote: which interpreter, which files it sees, in bubblewrap or without."""

from __future__ import annotations

import grp
import marshal
import os
import platform
import pwd
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from envs.errors import InputError
from rewards.code.sandbox.compact import PRELOADED
from rewards.code.scheduling import unhurried

_ROOM = "rewards.code.sandbox"
_SOURCES = (
    "envs.code.rich",
    "envs.code.values",
    "envs.code.raised",
    f"{_ROOM}.syscalls",
    f"{_ROOM}.seccomp",
    f"{_ROOM}.landlock",
    f"{_ROOM}.procfs",
    f"{_ROOM}.confine",
    f"{_ROOM}.interpreter",
    f"{_ROOM}.objects",
    f"{_ROOM}.guest",
    f"{_ROOM}.compact",
    f"{_ROOM}.zygote",
)
"""What the zygote runs, handed over as code: it needs to see no file of this checkout."""
CANDIDATES = (f"{_ROOM}.guest",)
"""The module whose `serve` a fork runs, and others that it needs beside the sources."""
_BOOT = """
import marshal, os, sys
os.register_at_fork = lambda **hooks: None
with open(int(sys.argv[1]), "rb") as given:
    config = marshal.load(given)
sys.argv[1:] = []
modules = config.pop("modules")
def load(name):
    module = sys.modules[name] = type(sys)(name)
    module.__spec__ = type(sys.__spec__)(name, None)
    exec(marshal.loads(modules[name]), module.__dict__)
    return module
compact = load("rewards.code.sandbox.compact")
compact.preload(config["preloaded"])
compact.fill_holes()
class Modules:
    def find_spec(self, name, path=None, target=None):
        if any(known == name or known.startswith(name + ".") for known in modules):
            return type(sys.__spec__)(name, self, is_package=name not in modules)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        if module.__name__ in modules:
            exec(marshal.loads(modules[module.__name__]), module.__dict__)
sys.meta_path.insert(0, Modules())
from rewards.code.sandbox.zygote import main
__import__(config["server"])
modules.clear()
main(config)
"""
# It imports as little as it can, fills the holes that this leaves in its memory (compact.py), and
# takes hooks after fork (random's new seed, threading's new locks) from nobody: each page that a
# module takes, or a hook writes to, makes all forks slower. A process without threads, whose
# `random` the guest seeds, needs none of them.
_TIME_ZONES = "/usr/share/zoneinfo"
_LOCALES = "/usr/lib/locale"
_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_UNUSED_UIDS = range(2_200_000_000, 4_000_000_000)
"""systemd's UIDS-GIDS list leaves 2147483648 to 4294967294 to nobody."""
_PROC_CWD = "/proc/self/cwd"


@dataclass(frozen=True)
class Launch:
    """A zygote that has been started, perhaps in vain: its socket, process and error output."""

    control: socket.socket
    process: subprocess.Popen[bytes]
    errors: Any


def standard_library() -> Path:
    """Return the folder of the standard library."""
    return Path(os.__file__).resolve().parent


def find_bubblewrap() -> str | None:
    """Return bubblewrap's executable on PATH, if any."""
    return shutil.which("bwrap")


def check_platform() -> None:
    """Raise InputError where no sandbox of any tier can run."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        raise InputError(
            f"the code sandbox needs Linux 5.3 or newer, this is {platform.platform()}; "
            "run the code domain on Linux"
        )


def start(
    *,
    bubblewrap: str | None,
    landlock: bool,
    seccomp: bool,
    numpy: bool,
    hash_seed: int,
    server: tuple[str, ...] = CANDIDATES,
) -> Launch:
    """Start a zygote and return at once; it says hello on the socket, or dies.

    `landlock` and `seccomp` say whether to try them. `server` names the module that its forks run
    (`rehearse` in the zygote, `serve` in a fork), then the modules that this one needs. Raises
    InputError when numpy is asked for and not installed, OSError when the process cannot be
    started.
    """
    numpy_home = _numpy_home() if numpy else None
    config = _config(bubblewrap is not None, landlock, seccomp, numpy_home, server)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    errors = os.fdopen(os.memfd_create("sandbox-errors"), "w+b")
    handed = os.memfd_create("sandbox-sources")
    try:
        with os.fdopen(os.dup(handed), "wb") as file:
            file.write(marshal.dumps(config))
        os.lseek(handed, 0, os.SEEK_SET)
        python = [os.path.realpath(sys.executable), "-s", "-S", "-P", "-B", "-X", "utf8"]
        command = [*python, "-c", _BOOT, str(handed)]
        if bubblewrap is not None:
            command = [bubblewrap, *_bubblewrap_arguments(python[0], numpy_home), "--", *command]
        with unhurried():  # the zygote and its forks inherit it
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=[handed],
                env=_environment(hash_seed),
                cwd="/",
                start_new_session=True,
            )
    except BaseException:
        ours.close()
        errors.close()
        raise
    finally:
        theirs.close()
        os.close(handed)
    return Launch(ours, process, errors)


def _environment(hash_seed: int) -> dict[str, str]:
    environment = {
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONNODEBUGRANGES": "1",
        "LD_BIND_NOW": "1",  # else every fork looks the same names up in the C library
        "LC_ALL": "C.UTF-8",
        "MALLOC_ARENA_MAX": "1",  # a thread's own would take 64 MiB of address space
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def _config(
    wrapped: bool,
    landlock: bool,
    seccomp: bool,
    numpy_home: Path | None,
    server: tuple[str, ...],
) -> dict[str, Any]:
    library = standard_library()
    uid = unused_uid()
    import_path = [str(library), str(library / "lib-dynload")]
    config: dict[str, Any] = {
        "modules": {name: _module(name) for name in (*_SOURCES, *server)},
        "server": server[0],
        "preloaded": PRELOADED.split(),
        "uid": uid,
        "landlock": landlock,
        "seccomp": seccomp,
        "readable": sorted(set(_readable(library, numpy_home))),
        "listable": [str(library)],
        "numpy_path": None if numpy_home is None else str(numpy_home.parent),
        "import_path": import_path,
        "cwd": "/",
        "relocate": None,
    }
    if uid is not None and not wrapped and not open_to_all(library):
        # Candidates run under a uid that may not pass through, say, /root: the working directory
        # is a door that root has opened for them.
        config["cwd"] = str(library)
        config["relocate"] = [str(library), _PROC_CWD]
        config["import_path"] = [path.replace(str(library), _PROC_CWD, 1) for path in import_path]
    return config


@lru_cache
def _module(name: str) -> bytes:
    """Return a module's code, marshalled: compiling leaves the zygote's memory full of holes."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise InputError(f"{name}: its source is missing; install selfplay-rlvr again")
    source = Path(spec.origin).read_text(encoding="utf-8")
    return marshal.dumps(compile(source, name, "exec", dont_inherit=True))


def _numpy_home() -> Path:
    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        raise InputError("sandbox.numpy=true: numpy is not installed; run `pip install numpy`")
    return Path(spec.origin).resolve().parent


def open_to_all(folder: Path) -> bool:
    """Return whether any user may read a folder and pass through all above it."""
    if folder.stat().st_mode & 0o5 != 0o5:
        return False
    return all(parent.stat().st_mode & 0o1 for parent in folder.parents)


def unused_uid() -> int | None:
    """Return a uid (and gid) that nobody has, for candidates; None where we may not change ours."""
    if os.geteuid() != 0:
        return None
    maps = [Path(f"/proc/self/{kind}_map").read_text(encoding="ascii") for kind in ("uid", "gid")]
    ranges = [[(int(a), int(n)) for a, _, n in map(str.split, text.splitlines())] for text in maps]

    def usable(uid: int) -> bool:
        mapped = all(any(first <= uid < first + count for first, count in one) for one in ranges)
        return mapped and not _has_name(uid)

    candidate = random.SystemRandom().choice(_UNUSED_UIDS)
    if usable(candidate):
        return candidate
    tops = [first + count - 1 for first, count in ranges[0]]
    below = (
        uid for top in sorted(tops, reverse=True) for uid in range(top, max(top - 1000, 0), -1)
    )
    return next((uid for uid in below if usable(uid)), None)


def _has_name(number: int) -> bool:
    """Return whether a user or a group has this number."""
    for look_up in (pwd.getpwuid, grp.getgrgid):
        try:
            look_up(number)
        except KeyError:
            continue
        return True
    return False


def _shared_objects(folder: Path) -> Iterator[Path]:
    """Yield a library folder's shared objects and multiarch folders, nothing of Python's."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if ".so" in entry.name or "-linux-" in entry.name:
            yield entry


def _readable(library: Path, numpy_home: Path | None) -> Iterator[str]:
    # Not the library as a whole: site-packages may hold the very tests of a data set.
    for entry in library.iterdir():
        if entry.name not in ("site-packages", "dist-packages"):
            yield str(entry)
    for folder in (*_LIBRARY_FOLDERS, os.path.join(sys.base_prefix, "lib")):
        for entry in _shared_objects(Path(folder)):
            yield os.path.realpath(entry)
    yield from ("/etc/ld.so.cache", _TIME_ZONES, _LOCALES)
    yield from map(str, _numpy_folders(numpy_home))


def _numpy_folders(numpy_home: Path | None) -> list[Path]:
    return [] if numpy_home is None else [numpy_home, numpy_home.with_name("numpy.libs")]


def _bubblewrap_arguments(python: str, numpy_home: Path | None) -> list[str]:
    """Return what makes namespaces with nothing inside but Python, its library and C libraries."""
    library = standard_library()
    arguments = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try"
    words = [*arguments.split(), "--as-pid-1", "--new-session", "--hostname", "sandbox"]
    if os.geteuid() == 0:
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        words.append("--unshare-user")
    own = _shared_objects(Path(sys.base_prefix, "lib"))
    paths = [
        *map(Path, ("/etc/ld.so.cache", _TIME_ZONES)),
        Path(python),
        library,
        *own,
        *_numpy_folders(numpy_home),
    ]
    # Folders above, open to all: left to itself, bubblewrap copies the 0700 of, say, /root.
    for parent in sorted({parent for path in paths for parent in path.parents}):
        words += ["--dir", str(parent)]
    for path in [*map(Path, _LIBRARY_FOLDERS), *paths]:
        words += ["--ro-bind-try", str(path), str(path)]
    for masked in sorted(set(_masked(library))):
        words += ["--tmpfs", str(masked), "--remount-ro", str(masked)]
    return [*words, "--remount-ro", "/", "--chdir", "/"]


def _masked(library: Path) -> Iterator[Path]:
    """Yield folders of installed packages inside what is mounted."""
    for folder in _LIBRARY_FOLDERS:
        for home in Path(folder).glob("python*"):
            if home.is_dir() and not home.is_symlink() and home.resolve() != library:
                yield home.resolve()
    for name in ("site-packages", "dist-packages"):
        if (library / name).is_dir() and not (library / name).is_symlink():
            yield library / name
