"""The seccomp filter, run in a small BPF machine: both architectures on any of them."""

from __future__ import annotations

import errno
import itertools
import re
import struct
from pathlib import Path

import pytest

from rewards.code.sandbox.seccomp import Block, build
from rewards.code.sandbox.syscalls import AUDIT_ARCH, NAMES_FILES, NEWEST_KNOWN, numbers

MACHINES = ("x86_64", "aarch64")
ALLOW, KILL = "allow", "kill"
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}


def verdict(block: Block, number: int, arguments: tuple[int, ...] = (), arch: int = 0) -> str:
    """Run a filter on one call; return allow, kill or the name of the error it gives."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number, arch, 0, *(word % 2**64 for word in words))
    accumulator, place = 0, 0
    for _ in range(len(block)):
        step = block[place]
        place += 1
        if step.code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, step.k)
        elif step.code == 0x54:
            accumulator &= step.k
        elif step.code == 0x15:
            place += step.jt if accumulator == step.k else step.jf
        elif step.code == 0x35:
            place += step.jt if accumulator >= step.k else step.jf
        else:
            assert step.code == 0x06
            if step.k == 0x7FFF0000:
                return ALLOW
            return KILL if step.k == 0x80000000 else errno.errorcode[step.k & 0xFFFF]
    raise AssertionError("the filter has no end")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def judge(machine: str, name: str, *arguments: int, threads: bool = False) -> str:
    block = build(machine, files=True, threads=threads)
    return verdict(block, numbers(machine)[name], arguments, AUDIT_ARCH[machine])


def test_exactly_the_listed_calls_get_through(machine: str) -> None:
    block = build(machine, files=True, threads=False)
    allowed = {
        number
        for number in range(NEWEST_KNOWN + 50)
        if verdict(block, number, (), AUDIT_ARCH[machine]) == ALLOW
    }
    listed = set(numbers(machine).items())
    refused = {"clone", "clone3", "ioctl", "kill", "tgkill"}
    assert allowed == {number for name, number in listed if name not in refused}


def test_calls_of_another_architecture_kill(machine: str) -> None:
    block = build(machine, files=True, threads=False)
    other = next(arch for name, arch in AUDIT_ARCH.items() if name != machine)
    read = numbers(machine)["read"]
    assert verdict(block, read, (), AUDIT_ARCH[machine]) == ALLOW
    assert verdict(block, read, (), other) == KILL
    assert verdict(block, read, (), 0x40000003) == KILL  # i386, as through int 0x80


def test_x32_calls_kill() -> None:
    block = build("x86_64", files=True, threads=False)
    for number in (0x40000000, 0x40000001, 0x40000000 + 520, 0x7FFFFFFF):
        assert verdict(block, number, (), AUDIT_ARCH["x86_64"]) == KILL


def test_files_open_for_reading_alone(machine: str) -> None:
    at = -100
    assert judge(machine, "openat", at, 0, 0) == ALLOW
    assert judge(machine, "openat", at, 0, 0o2000000) == ALLOW  # O_CLOEXEC
    for flags in (0o1, 0o2, 0o3, 0o100, 0o1000, 0o2000001, 0o20200002):
        assert judge(machine, "openat", at, 0, flags) == "EACCES"
    # Flags are an int: the kernel ignores the high word, and so must the filter.
    assert judge(machine, "openat", at, 0, 1 << 32) == ALLOW
    assert judge(machine, "openat", at, 0, (1 << 32) + 1) == "EACCES"


def test_no_file_call_at_all_without_landlock(machine: str) -> None:
    block = build(machine, files=False, threads=False)
    for name in NAMES_FILES & numbers(machine).keys():
        assert verdict(block, numbers(machine)[name], (), AUDIT_ARCH[machine]) == "EPERM"
    assert verdict(block, numbers(machine)["read"], (), AUDIT_ARCH[machine]) == ALLOW


@pytest.mark.parametrize(("command", "expected"), [(0, ALLOW), (1030, ALLOW), (3, ALLOW)])
def test_fcntl_that_only_looks_or_copies(machine: str, command: int, expected: str) -> None:
    assert judge(machine, "fcntl", 3, command) == expected


@pytest.mark.parametrize("command", [4, 6, 7, 8, 10, 15, 1024, 1026, 1031, 1033])
def test_fcntl_that_signals_locks_or_changes(machine: str, command: int) -> None:
    assert judge(machine, "fcntl", 3, command) == "EPERM"


@pytest.mark.parametrize("command", [0x5412, 0x5452, 0x8901, 0x541B, 0x5413])
def test_ioctl_knows_terminals_only(machine: str, command: int) -> None:
    assert judge(machine, "ioctl", 0, 0x5401) == ALLOW
    assert judge(machine, "ioctl", 0, command) == "EPERM"


def test_limits_of_others_are_out_of_reach(machine: str) -> None:
    assert judge(machine, "prlimit64", 0, 7) == ALLOW
    for pid in (1, 2, 4242):
        assert judge(machine, "prlimit64", pid, 7) == "EPERM"


@pytest.mark.parametrize("name", ["clock_gettime", "clock_getres", "clock_nanosleep"])
def test_clocks_are_the_machine_s_and_its_own(machine: str, name: str) -> None:
    for clock in (0, 1, 2, 3, 4, 7, 11, -6, -2):
        assert judge(machine, name, clock) == ALLOW
    for pid in (1, 2, 4242):
        for kind in (0, 1, 2, 4, 5, 6):
            assert judge(machine, name, ~pid << 3 | kind) == "EPERM"
    for clock in (12, 16, 3 << 3, -1, -3, -4, -5, -7, ~7 << 3 | 3):
        assert judge(machine, name, clock) == "EPERM"


def test_other_processes_are_neither_asked_nor_signalled(machine: str) -> None:
    own = 0x7FFF_FFF7  # what the filter's constructor puts the real number in for
    assert judge(machine, "sched_getaffinity", 0) == ALLOW
    for name in ("sched_getaffinity", "prlimit64", "kill", "tgkill"):
        assert judge(machine, name, own) == ALLOW
        for pid in (1, 2, 4242, -1, -own, 2**31):
            assert judge(machine, name, pid) == "EPERM", (name, pid)
    for name in ("kill", "tgkill"):
        assert judge(machine, name, 0) == "EPERM"


THREAD = 0x3D0F00
"""What glibc's pthread_create passes to clone."""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (THREAD, ALLOW),
        (17, "EPERM"),
        (0, "EPERM"),
        (0x01200011, "EPERM"),
        (0x4100 | 17, "EPERM"),
        *[(THREAD | 1 << bit, "EPERM") for bit in (17, 25, 26, 27, 28, 29, 30)],
    ],
)
def test_clone_makes_threads_and_never_processes(machine: str, flags: int, expected: str) -> None:
    assert judge(machine, "clone", flags, threads=True) == expected
    assert judge(machine, "clone", flags) == "EPERM"
    assert judge(machine, "clone3", threads=True) == "ENOSYS"


def test_other_machines_have_no_table() -> None:
    with pytest.raises(ValueError, match="no system-call table for riscv64"):
        build("riscv64", files=True, threads=False)


def header(machine: str) -> dict[str, int]:
    path = next((Path(name) for name in HEADERS[machine] if Path(name).exists()), None)
    if path is None:
        pytest.skip(f"no kernel headers for {machine}; apt-get install linux-libc-dev")
    found: dict[str, int] = {}
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\w+)", path.read_text(encoding="utf-8"))
    for name, value in lines:
        if value.isdigit():
            found[name] = int(value)
    found.setdefault("newfstatat", found.get("fstatat", -1))
    return found


def test_the_tables_agree_with_the_kernels_headers(machine: str) -> None:
    known = header(machine)
    ours = numbers(machine)
    assert ours == {name: known.get(name) for name in ours}


def test_no_number_stands_for_two_names(machine: str) -> None:
    ours = numbers(machine)
    assert not [
        (one, other) for one, other in itertools.combinations(ours, 2) if ours[one] == ours[other]
    ]


DANGEROUS = [
    "socket",
    "socketpair",
    "connect",
    "bind",
    "sendto",
    "sendmsg",
    "execve",
    "execveat",
    "tkill",
    "getpgid",
    "getsid",
    "getpriority",
    "sched_getscheduler",
    "sched_getparam",
    "sched_getattr",
    "ioprio_get",
    "get_robust_list",
    "kcmp",
    "migrate_pages",
    "process_madvise",
    "ptrace",
    "mount",
    "umount2",
    "bpf",
    "io_uring_setup",
    "io_uring_enter",
    "memfd_create",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "shmget",
    "msgget",
    "semget",
    "mq_open",
    "unshare",
    "setns",
    "chroot",
    "pivot_root",
    "prctl",
    "seccomp",
    "setuid",
    "setresuid",
    "capset",
    "init_module",
    "finit_module",
    "kexec_load",
    "open_by_handle_at",
    "name_to_handle_at",
    "openat2",
    "fsopen",
    "personality",
    "setpriority",
    "sched_setaffinity",
    "sched_setscheduler",
    "rt_sigqueueinfo",
    "unlinkat",
    "renameat2",
    "linkat",
    "symlinkat",
    "mkdirat",
    "mknodat",
    "fchmod",
    "fchmodat",
    "fchown",
    "ftruncate",
    "fallocate",
    "setrlimit",
    "inotify_init1",
    "fanotify_init",
    "timer_create",
    "signalfd4",
    "eventfd2",
    "epoll_create1",
    "splice",
    "vmsplice",
    "copy_file_range",
    "sendfile",
    "pwrite64",
    "chdir",
    "fchdir",
]


@pytest.mark.parametrize("name", DANGEROUS)
def test_dangerous_calls_are_denied(machine: str, name: str) -> None:
    known = header(machine)
    assert name in known, f"misspelt, or unknown to {machine}: {name}"
    block = build(machine, files=True, threads=True)
    assert verdict(block, known[name], (), AUDIT_ARCH[machine]) == "EPERM"
