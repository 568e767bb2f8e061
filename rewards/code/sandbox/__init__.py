"""A sandbox for programs that a language model wrote.

A small interpreter, the zygote, is started once; each program runs in a fork of it. Tests and
expected values stay with the parent: only plain data crosses (envs/code/values.py).

What it covers:
- Ends: the parent keeps a monotonic deadline, kills by pidfd and has every fork reaped. A fork
  dies with its zygote, and the zygote with the parent.
- CPU, memory, output, threads, open files, file size: rlimits and byte-capped pipes.
- System calls: a seccomp allow-list (x86-64, aarch64). No fork, exec, socket of any kind, signal
  to another process, nor its clocks or scheduling, ptrace, mount, bpf, io_uring, shared memory,
  memfd or keys.
- Files: Landlock leaves the standard library and C libraries to be read, and nothing to be
  written; site-packages, where a data set's tests may lie, cannot be read. A kernel without
  Landlock gets a filter that opens no file at all.
- Users: under root each fork changes to a uid that nobody has and loses all capabilities.
- Namespaces: where bubblewrap works the zygote has its own processes, network, IPC and mounts,
  and sees no home, no data, no /proc and no /dev.
- Descriptors and environment: a fork has /dev/null, its two pipes (a program: stdin and stdout)
  and an environment that names nothing.

What it does not:
- Holes in the kernel. All programs share it; a virtual machine would not.
- Time: a program may keep one CPU busy until its deadline, and memory bandwidth with it. Side
  channels, such as timing what other processes do, are open.
- Metadata, without bubblewrap: `stat` works on any path that the uid may reach, so a program can
  learn that a file exists, not what is in it. Kernel and CPU can be asked for their names.
- Programs against themselves: whatever a program does to its own process changes only which
  values it answers. Calls of one candidate share a process: they may remember each other, and
  read the arguments of calls to come (docs/adr/0011).
- An ordinary user's forks run under that user's uid: seccomp and Landlock alone keep them apart.
"""

from rewards.code.sandbox.candidate import Candidate
from rewards.code.sandbox.sandbox import Sandbox
from rewards.code.sandbox.types import (
    GONE,
    Call,
    Limits,
    Outcome,
    ProgramOutcome,
    SandboxError,
    Status,
    Tier,
    Usage,
)

__all__ = [
    "GONE",
    "Call",
    "Candidate",
    "Limits",
    "Outcome",
    "ProgramOutcome",
    "Sandbox",
    "SandboxError",
    "Status",
    "Tier",
    "Usage",
]
