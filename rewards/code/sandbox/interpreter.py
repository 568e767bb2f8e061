"""What `python3 program.py` has and a confined fork lacks, made up for as far as it goes.

Names that `site` defines (`exit`, `quit`, `copyright`), /dev/stdin and its like by name, threads
with a large stack, and at the end all that the interpreter does before it ends: it waits for
threads, calls what was registered with `atexit`, and writes out what stands in buffers. Nothing
here confines; it runs beside hostile code, which may change all of it for itself.
"""

from __future__ import annotations

import _sitebuiltins
import _thread
import atexit
import builtins
import contextlib
import gc
import io
import os
import resource
import sys
import types
from typing import Any

_STACK_BYTES = 2 << 20
"""Of a thread that asks for no size: the C library's 8 MiB would be counted against its memory."""
_STACK_SHARE = 4
"""A thread may have this part of the address space, however much it asks for."""
_DEVICES = {
    **dict.fromkeys(("/dev/stdin", "/dev/fd/0"), 0),
    **dict.fromkeys(("/dev/stdout", "/dev/fd/1"), 1),
    **dict.fromkeys(("/dev/stderr", "/dev/fd/2", "/dev/null"), 2),
}
"""Descriptor 2 is /dev/null, for reading and writing."""
_open, _os_open, _stack_size = builtins.open, os.open, _thread.stack_size


def furnish() -> None:
    """Give the calling process, the zygote, what its forks are to inherit."""
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.copyright = _sitebuiltins._Printer("copyright", sys.copyright)
    builtins.credits = _sitebuiltins._Printer("credits", "")
    builtins.license = _sitebuiltins._Printer("license", "")
    builtins.help = _sitebuiltins._Helper()
    builtins.open = io.open = open_named
    os.open = os_open_named
    _stack_size(_STACK_BYTES)
    _thread.stack_size = stack_size
    if "threading" in sys.modules:
        vars(sys.modules["threading"])["stack_size"] = stack_size


def open_named(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    """Open a file; a standard stream by its name in /dev is a copy of its descriptor."""
    return _open(_device(file), mode, *args, **kwargs)


def os_open_named(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    """Do the same for `os.open`."""
    found = _device(path)
    return found if found is not path else _os_open(path, flags, mode, dir_fd=dir_fd)


def _device(file: Any) -> Any:
    try:
        descriptor = _DEVICES.get(os.fspath(file))
    except TypeError:
        return file
    return file if descriptor is None else os.dup(descriptor)


def stack_size(size: int = 0, /) -> int:
    """Set what threads get as their stack, or what can be had of it; return what it was."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0] // _STACK_SHARE
    if size > most > 0:
        size = most - most % 4096
    return _stack_size(size or _STACK_BYTES)


def end_program(module: types.ModuleType, streams: tuple[Any, ...]) -> None:
    """Do what the interpreter does at a program's end, its descriptors still open.

    Threads that are no daemons are waited for; then come the handlers of `atexit`, the buffers of
    the standard streams, and the program's own names, with which its files go and are written out.
    """
    threading = sys.modules.get("threading")
    with contextlib.suppress(Exception):
        if threading is not None:
            threading._shutdown()
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    _flush(streams)
    module.__dict__.clear()
    gc.collect()
    _flush(streams)


def _flush(streams: tuple[Any, ...]) -> None:
    for stream in (sys.stdout, sys.stderr, *streams):
        with contextlib.suppress(Exception):  # closed, replaced by anything, or without a reader
            stream.flush()
