"""The zygote: a small single-threaded interpreter that forks one candidate after the other.

It runs in a process of its own, started by launch.py. Over a SOCK_SEQPACKET socket on descriptor 0
it takes commands to fork (with the candidate's descriptors) and to reap; it never sees a word that
a model wrote, and it ends when the socket does.
"""

from __future__ import annotations

import _socket
import gc
import importlib
import marshal
import os
import struct
import sys
from typing import Any, NoReturn

from rewards.code.sandbox import compact, guest, interpreter, landlock
from rewards.code.sandbox.confine import (
    OPEN_FILES,
    REPLY_FD,
    REQUEST_FD,
    Confinement,
    arrange,
)

MESSAGE_BYTES = 4096
_CONTROL_FD = OPEN_FILES - 1
_INT = struct.Struct("i")
PRELOADED_ALL = """
array ast base64 binascii calendar cmath csv ctypes dataclasses datetime decimal difflib fractions
hashlib html inspect pprint queue secrets signal socket statistics textwrap threading timeit
traceback unicodedata urllib.parse uuid zlib
"""
"""Loaded as well where candidates may open no file, and so can import nothing else."""
_NUMPY = ("numpy", "numpy.fft", "numpy.linalg", "numpy.ma", "numpy.polynomial", "numpy.random")


def main(config: dict[str, Any]) -> None:
    """Serve the socket on descriptor 0 until its other end closes."""
    server = sys.modules[config["server"]]
    opens_files = config["landlock"] and landlock.abi() > 0
    if not opens_files:
        compact.preload(PRELOADED_ALL.split())
    _import_numpy(config["numpy_path"])
    _forget_ourselves()
    _look_for_modules(config)
    os.dup2(1, 2)  # /dev/null: nobody reads an error of ours from here on
    guest.make_streams()
    interpreter.furnish()
    os.dup2(0, _CONTROL_FD)
    os.dup2(1, 0)
    os.closerange(3, _CONTROL_FD)
    control = _socket.socket(fileno=_CONTROL_FD)
    confinement = Confinement(config)
    server.rehearse()
    compact.own_code()
    gc.collect()
    compact.fill_holes()
    gc.disable()
    gc.freeze()
    layers = {"landlock": confinement.landlock, "seccomp": confinement.seccomp}
    own = os.pidfd_open(os.getpid())
    _send(control, layers, own)
    os.close(own)
    while True:
        message, descriptors = _receive(control)
        if not message:
            return
        if message["op"] == "fork":
            _fork(control, confinement, server, message, descriptors)
        else:
            _reap(control, message["pid"])


def _import_numpy(path: str | None) -> None:
    if path is None:
        return
    sys.path.append(path)
    for name in _NUMPY:
        importlib.import_module(name)


def _forget_ourselves() -> None:
    """Leave candidates an interpreter without our modules and the finder that knew them."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("rewards", "envs")]:
        del sys.modules[name]
    sys.meta_path.pop(0)


def _look_for_modules(config: dict[str, Any]) -> None:
    """Set where candidates import from; `relocate` maps the library to a path that they reach."""
    sys.path[:] = config["import_path"]
    os.chdir(config["cwd"])
    if config["relocate"] is None:
        return
    old, new = config["relocate"]
    for module in list(sys.modules.values()):
        if isinstance(places := getattr(module, "__path__", None), list):
            places[:] = [place.replace(old, new, 1) for place in places]
    sys.path_importer_cache.clear()


def _fork(
    control: _socket.socket,
    confinement: Confinement,
    server: Any,
    message: dict[str, Any],
    given: list[int],
) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        for descriptor in given:
            os.close(descriptor)
        _send(control, {"error": f"fork: {error}"})
        return
    if pid == 0:
        _become_candidate(confinement, server, message, given)
    for descriptor in given:
        os.close(descriptor)
    pidfd = os.pidfd_open(pid)
    _send(control, {"pid": pid}, pidfd)
    os.close(pidfd)


def _become_candidate(
    confinement: Confinement, server: Any, message: dict[str, Any], given: list[int]
) -> NoReturn:
    try:
        if given[:2] != [REQUEST_FD, REPLY_FD]:
            os._exit(1)
        arrange(program=len(given) == 4)
        try:
            confinement.enter(message)
        except BaseException as error:  # reported to the parent: no candidate is here yet
            guest.send(REPLY_FD, {"status": "unconfined", "detail": guest.describe(error)})
            os._exit(1)
        gc.enable()
        server.serve(REQUEST_FD, REPLY_FD, message["output_bytes"])
    finally:
        os._exit(0)


def _reap(control: _socket.socket, pid: int) -> None:
    _, status, usage = os.wait4(pid, 0)
    _send(
        control,
        {
            "exit": os.waitstatus_to_exitcode(status),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "max_rss_mb": usage.ru_maxrss / 1024,
        },
    )


def _send(control: _socket.socket, message: dict[str, Any], descriptor: int | None = None) -> None:
    rights = [] if descriptor is None else [_INT.pack(descriptor)]
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, one) for one in rights]
    control.sendmsg([marshal.dumps(message)], ancillary)


def _receive(control: _socket.socket) -> tuple[dict[str, Any], list[int]]:
    text, ancillary, _, _ = control.recvmsg(MESSAGE_BYTES, _socket.CMSG_SPACE(4 * _INT.size))
    descriptors: list[int] = []
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors += (number for (number,) in _INT.iter_unpack(data))
    return (marshal.loads(text) if text else {}), descriptors
