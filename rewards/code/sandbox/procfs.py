"""A /proc in which a candidate finds itself alone, where root may mount one.

Landlock stops nobody from looking a path up, and /proc/1234 is there or not as process 1234 is. In
bubblewrap there is no /proc; as root without it, the zygote gets a mount of its own that shows a
user only what this user may trace. A container that forbids mounts keeps the one it has.
"""

from __future__ import annotations

import ctypes
import os

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def hide_processes() -> bool:
    """Mount such a /proc for the calling process and its forks; return whether that worked."""
    if not os.path.exists("/proc/self") or _libc.unshare(_CLONE_NEWNS) != 0:
        return False
    if _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return False
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    return bool(_libc.mount(b"proc", b"/proc", b"proc", flags, b"hidepid=2") == 0)
