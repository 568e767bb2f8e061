"""Numbers of the system calls that a candidate may make, for x86-64 and aarch64.

Sources: Linux `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.
What is not listed is denied: fork, exec, sockets, ptrace, mount, bpf, io_uring, memfd, keys, shared
memory, and every call that is yet to be invented.
"""

from __future__ import annotations

X86_64 = "x86_64"
AARCH64 = "aarch64"

AUDIT_ARCH = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
"""What seccomp says to a filter about the caller's architecture (linux/audit.h)."""

NEWEST_KNOWN = 462
"""Beyond it the answer is ENOSYS, as an older kernel's would be: newer C libraries fall back."""

_ABSENT = -1

_TABLE: dict[str, tuple[int, int]] = {
    # Descriptors that are open already.
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "close": (3, 57),
    "dup": (32, 23),
    "dup2": (33, _ABSENT),
    "dup3": (292, 24),
    "fstat": (5, 80),
    "poll": (7, _ABSENT),
    "ppoll": (271, 73),
    "select": (23, _ABSENT),
    "pselect6": (270, 72),
    # Names; without Landlock these are denied as well.
    "stat": (4, _ABSENT),
    "lstat": (6, _ABSENT),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, _ABSENT),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, _ABSENT),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    # Memory.
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    # Signals to itself alone, and time.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "alarm": (37, _ABSENT),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, _ABSENT),
    "times": (100, 153),
    # What it may know of itself and of the machine.
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getcpu": (309, 168),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "getrandom": (318, 278),
    "sched_yield": (24, 124),
    # Locks, threads and the end.
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # Allowed for some arguments only: seccomp.py has a check for each.
    "open": (2, _ABSENT),
    "openat": (257, 56),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
    "clone": (56, 220),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "sched_getaffinity": (204, 123),
    "kill": (62, 129),
    "tgkill": (234, 131),
    # Answered with ENOSYS: its flags lie in memory, where no filter can look.
    "clone3": (435, 435),
}

CHECKED = frozenset(
    {"open", "openat", "fcntl", "ioctl", "prlimit64", "clone", "clone3", "clock_gettime"}
    | {"clock_getres", "clock_nanosleep", "sched_getaffinity", "kill", "tgkill"}
)
"""Not simply allowed."""

NAMES_FILES = frozenset(
    {"stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink"}
    | {"readlinkat", "getdents64", "getcwd", "open", "openat"}
)
"""Calls that take a path or read a folder."""


def numbers(machine: str) -> dict[str, int]:
    """Return name -> number of the calls listed here that exist on a machine (`os.uname()`)."""
    column = (X86_64, AARCH64).index(machine)
    return {name: pair[column] for name, pair in _TABLE.items() if pair[column] != _ABSENT}
