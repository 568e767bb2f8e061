"""Fills the holes in the zygote's memory, so that what a fork allocates lies close together.

A fork copies every page that it writes to, and those copies are most of what it costs. Start-up
leaves the allocators full of small holes, and a program that is compiled into them writes to a page
for every few objects. With the holes taken, for good, it fills fresh pages one after the other.
Here is nothing that confines: without this file a fork is only slower.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
from collections.abc import Iterable, Iterator

PRELOADED = """
__future__ abc bisect builtins codecs collections collections.abc contextlib copy enum functools
heapq io itertools json keyword math numbers operator random re string struct time types typing
warnings weakref
"""
"""Loaded before the fork: an import of these costs a candidate nothing and opens no file.

Few, since each shared object and each page of the zygote makes every fork slower.
"""
_POOL = 16384
"""Bytes of one of CPython's pools (obmalloc.c), since 3.10; each holds blocks of one size."""
_POOL_HEAD = 48
_SMALLEST, _LARGEST = 16, 512
"""Sizes in bytes that come from pools, in steps of the smallest; larger ones are the heap's."""
_MOST = 1024
"""Holes of one size that are filled at the most."""
_LEAST_CODE = 1 << 18
"""Bytes of a library's part below which a few faults are cheaper than a page table to copy."""
_PT_LOAD, _PF_X, _PF_W = 1, 1, 2
_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4
_kept: list[object] = []
_LARGE = (65536, 32768, 16384, 8192, 4096, 2048, *range(1536, _LARGEST, -64))


def preload(names: Iterable[str]) -> None:
    """Import modules, those that this interpreter has."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def fill_holes() -> None:
    """Take the free room between living objects, for as long as the process lives."""
    for size in range(_SMALLEST, _LARGEST + 1, _SMALLEST):
        _fill_pools(size)
    _fill_heap()


def _fill_pools(size: int) -> None:
    """Take the free blocks of one size, up to the first ones of a fresh pool."""
    in_a_row, before = 0, 0
    for _ in range(_MOST):
        block = _block(size)
        _kept.append(block)
        address = id(block)
        if address % _POOL == _POOL_HEAD:
            in_a_row = 1
        elif in_a_row:
            in_a_row = in_a_row + 1 if address == before + size else 0
        before = address
        if in_a_row == 3:
            return


def _block(size: int) -> object:
    """Return a new object of exactly `size` bytes without a head for the garbage collector."""
    if size == 16:
        return object()
    if size == 32:
        return complex(size, 1)
    return bytes(size - 33)


class _Segment(ctypes.Structure):
    """`Elf64_Phdr` (elf.h)."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("offset", "address", "physical", "in_file")),
        ("size", ctypes.c_uint64),
        ("alignment", ctypes.c_uint64),
    ]


class _Header(ctypes.Structure):
    """`Elf64_Ehdr` (elf.h), its magic and class in `identity`."""

    _fields_ = [
        ("identity", ctypes.c_char * 16),
        *((name, ctypes.c_uint32) for name in ("kind_and_machine", "version")),
        *((name, ctypes.c_uint64) for name in ("entry", "segments", "sections")),
        ("flags", ctypes.c_uint32),
        *((name, ctypes.c_uint16) for name in ("size", "segment_size", "count")),
    ]


class _Link(ctypes.Structure):
    """The beginning of `struct link_map` (link.h), which a handle of the loader points to."""

    _fields_ = [
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        *((name, ctypes.c_void_p) for name in ("dynamic", "next")),
    ]


def own_code() -> None:
    """Write to the large read-only parts of the interpreter's library what stands there already.

    A fork gets the page table of a file's mapping only where the process has a page of its own in
    it. Otherwise each fork finds the interpreter's code and constants anew, a fault for every 64
    KiB. Other libraries are used too little for that, as are tables for the dynamic loader, at the
    beginning of each file. The mappings are read-only again afterwards, as in every fork.
    """
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    for address, size, protection in list(_large_code(libc._handle)):
        start = address - address % page
        length = -(-(address + size - start) // page) * page
        if libc.mprotect(start, length, protection | _PROT_WRITE) == 0:
            byte = ctypes.c_ubyte.from_address(address)
            byte.value = byte.value
            if libc.mprotect(start, length, protection) != 0:
                raise OSError("mprotect: code stays writable")


def _large_code(handle: int | None) -> Iterator[tuple[int, int, int]]:
    """Yield address, size and protection of the interpreter's parts, from the loader's handle.

    Not through `dl_iterate_phdr`: a callback would leave a page that is writable and executable.
    """
    while handle:
        link = _Link.from_address(handle)
        handle = link.next
        if not link.base or not _is_interpreter(link.name):
            continue  # another library, or a program at fixed addresses
        header = _Header.from_address(link.base)
        if header.identity[:5] != b"\x7fELF\x02" or header.segment_size != ctypes.sizeof(_Segment):
            continue
        for segment in (_Segment * header.count).from_address(link.base + header.segments):
            if segment.type == _PT_LOAD and not segment.flags & _PF_W:
                executable = segment.flags & _PF_X
                if segment.size >= _LEAST_CODE and (segment.offset or executable):
                    protection = _PROT_READ | (_PROT_EXEC if executable else 0)
                    yield link.base + segment.address, segment.size, protection


def _is_interpreter(name: bytes | None) -> bool:
    """Return whether a loaded file is the program itself, which has no name, or libpython."""
    return not name or b"libpython" in name


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _fill_heap() -> None:
    """Take the C library's free chunks, the large ones first; the end of its heap stays free."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return  # another C library, or an old one
    libc.mallinfo2.restype = _Mallinfo2
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free(libc.malloc(1 << 19))  # from now on chunks of this size come from the heap as well
    for size in _LARGE:
        for _ in range(_MOST):
            end = libc.mallinfo2().keepcost
            chunk = libc.malloc(size)
            if libc.mallinfo2().keepcost != end:
                libc.free(chunk)
                break
