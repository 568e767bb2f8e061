"""Attacks on the machine: processes, signals, networks, system calls, descriptors."""

from __future__ import annotations

from tests.attacks.attack import (
    ABSTRACT,
    ESCAPED,
    OUTSIDE,
    TCP_PORT,
    UDP_PORT,
    Attack,
    Kind,
)

_HEAD = (
    "import ctypes, errno, fcntl, glob, io, mmap, os, resource, signal, socket, struct, sys, time\n"
    "ARM = os.uname().machine == 'aarch64'\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "def raw(x86, arm, *arguments):\n"
    "    words = [one if isinstance(one, bytes) else ctypes.c_long(one) for one in arguments]\n"
    "    result = libc.syscall(ctypes.c_long(arm if ARM else x86), *words)\n"
    "    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))\n"
    "    return result\n"
    "def answer(text, xs):\n"
    "    import json\n"
    "    return json.loads(text)[str(xs)]\n"
)


def does(name: str, body: str, kinds: tuple[Kind, ...] = ("calls",)) -> Attack:
    """Make an attack that says so where its deed was not refused with an exception."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return Attack(name, f"{_HEAD}def riddle(xs):\n{lines}    return '{ESCAPED}'\n", kinds)


def calls(name: str, x86: int, arm: int, *arguments: int) -> Attack:
    """Make an attack of one system call; only `not permitted` and `not there` count as refused."""
    words = ", ".join(map(str, (x86, arm, *arguments)))
    return does(
        name,
        f"try: raw({words})\n"
        "except OSError as error:\n"
        "    if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS): raise\n",
    )


PROCESSES = [
    does("fork", "if os.fork() == 0: os._exit(0)"),
    does(
        "fork-bomb",
        "while True:\n    try: os.fork()\n    except OSError:\n        raise SystemExit",
    ),
    does(
        "daemon",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True: time.sleep(1)\n    os._exit(0)",
    ),
    Attack("fork-at-load", "import os\nos.fork()\nos.fork()\ndef riddle(xs): return 0\n"),
    calls("raw-fork", 57, 220, 17, 0, 0, 0, 0),
    calls("raw-vfork", 58, 220, 0x4111, 0, 0, 0, 0),
    calls("raw-clone-thread-in-a-namespace", 56, 220, 0x103D0F00, 0, 0, 0, 0),
    calls("raw-clone3", 435, 435, 0, 0),
    does(
        "threads",
        "import threading\n"
        "for _ in range(50): threading.Thread(target=time.sleep, args=(9,)).start()",
    ),
    does("subprocess", "import subprocess\nsubprocess.run(['/bin/true'], check=True)"),
    does("system", "if os.system('true') != 0: raise OSError"),
    does("popen", "if not os.popen('echo out').read(): raise OSError"),
    does("posix-spawn", "os.posix_spawn('/bin/true', ['true'], {})"),
    does("exec", "os.execv('/bin/true', ['true'])"),
    does("exec-python", "os.execv(sys.executable, [sys.executable, '-c', 'pass'])"),
    does("fexecve", "os.execve(os.open('/bin/true', os.O_RDONLY), ['true'], {})"),
    calls("raw-execve", 59, 221, 0, 0, 0),
    calls("raw-execveat", 322, 281, -1, 0, 0, 0, 0),
    does(
        "multiprocessing",
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=int).start()",
    ),
    does("pty", "import pty\npty.fork()"),
]

SIGNALS = [
    does("kill-everybody", "os.kill(-1, 9)"),
    does("kill-parent", "os.kill(os.getppid(), 9)"),
    does("kill-the-judge", "os.kill(PARENT, 9)"),
    does("kill-victim", "os.kill(VICTIM, 9)"),
    does("kill-group", "os.killpg(0, 9)"),
    does("kill-init", "os.kill(1, 9)"),
    does("stop-parent", "os.kill(os.getppid(), signal.SIGSTOP)"),
    does("probe-parent", "os.kill(os.getppid(), 0)"),
    calls("raw-tkill", 200, 130, 1, 0),
    calls("raw-tgkill", 234, 131, 1, 1, 0),
    calls("raw-sigqueue", 129, 138, 1, 0, 0),
    calls("raw-pidfd-open", 434, 434, 1, 0),
    calls("raw-pidfd-send-signal", 424, 424, 3, 0, 0, 0),
    does(
        "signal-through-fcntl",
        "fcntl.fcntl(4, fcntl.F_SETOWN, PARENT)\nfcntl.fcntl(4, 10, signal.SIGKILL)\n"
        "fcntl.fcntl(4, fcntl.F_SETFL, fcntl.fcntl(4, fcntl.F_GETFL) | os.O_ASYNC)\n"
        "os.write(4, b'x')",
    ),
    does(
        "signal-victim-through-fcntl",
        "fcntl.fcntl(3, fcntl.F_SETOWN, VICTIM)\nfcntl.fcntl(3, 10, signal.SIGKILL)",
    ),
    does("limit-parent", "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))"),
    does("limit-the-judge", "resource.prlimit(PARENT, resource.RLIMIT_CPU, (0, 0))"),
    does("raise-own-limits", "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))"),
    does("renice-parent", "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)"),
    does("bind-parent", "os.sched_setaffinity(os.getppid(), {0})"),
    does("be-a-realtime-process", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"),
    calls("ptrace-me", 101, 117, 0, 0, 0, 0),
    does("ptrace-parent", "raw(101, 117, 16, os.getppid(), 0, 0)"),
    does("ptrace-victim", "raw(101, 117, 0x4206, VICTIM, 0, 0)"),
    calls("read-memory-of-others", 310, 270, 1, 0, 0, 0, 0, 0),
    calls("write-memory-of-others", 311, 271, 1, 0, 0, 0, 0, 0),
    does("forget-the-zygote", "if libc.prctl(1, 0, 0, 0, 0) != 0: raise OSError"),
]

_INET = "socket.socket(socket.AF_INET, socket.SOCK_{})"
NETWORK = [
    does(
        "tcp", f"s = {_INET.format('STREAM')}\ns.connect(('127.0.0.1', {TCP_PORT}))\ns.send(b'x')"
    ),
    does("tcp-listen", f"s = {_INET.format('STREAM')}\ns.bind(('127.0.0.1', 0))\ns.listen()"),
    does("udp", f"{_INET.format('DGRAM')}.sendto(b'x', ('127.0.0.1', {UDP_PORT}))"),
    does("udp-6", "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)"),
    does("unix", f"s = socket.socket(socket.AF_UNIX)\ns.connect('{OUTSIDE}/socket')\ns.send(b'x')"),
    does("unix-abstract", f"s = socket.socket(socket.AF_UNIX)\ns.connect('\\0{ABSTRACT}')"),
    does("socketpair", "socket.socketpair()"),
    does("raw-packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    does("netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    does("vsock", "socket.socket(40, socket.SOCK_STREAM)"),
    does("kernel-crypto", "socket.socket(38, socket.SOCK_SEQPACKET)"),
    does("resolver", "socket.getaddrinfo('example.org', 80)"),
    does("url", f"import urllib.request\nurllib.request.urlopen('http://127.0.0.1:{TCP_PORT}')"),
    does("adopt-a-descriptor-as-socket", "socket.socket(fileno=4).sendmsg([b'x'])"),
    does("pass-a-descriptor-to-the-judge", "raw(46, 211, 4, 0, 0)"),
    calls("io-uring-setup", 425, 425, 8, 0),
    calls("io-uring-enter", 426, 426, 3, 1, 1, 0, 0, 0),
    calls("io-uring-register", 427, 427, 3, 0, 0, 0),
]

SYSTEM = [
    calls("mount", 165, 40, 0, 0, 0, 0, 0),
    calls("umount", 166, 39, 0, 0),
    calls("pivot-root", 155, 41, 0, 0),
    calls("open-tree", 428, 428, -100, 0, 0),
    calls("fsopen", 430, 430, 0, 0),
    calls("unshare-user", 272, 97, 0x10000000),
    calls("setns", 308, 268, 3, 0),
    calls("bpf", 321, 280, 0, 0, 0),
    calls("perf", 298, 241, 0, 0, -1, -1, 0),
    calls("userfaultfd", 323, 282, 0),
    calls("add-key", 248, 217, 0, 0, 0, 0, -3),
    calls("keyctl", 250, 219, 0, -3, 0),
    calls("seccomp", 317, 277, 0, 0, 0),
    calls("landlock", 444, 444, 0, 0, 1),
    calls("personality", 135, 92, 0x0040000),
    calls("setuid-root", 105, 146, 0),
    calls("setresuid-root", 117, 147, 0, 0, 0),
    calls("setgroups", 116, 159, 0, 0),
    calls("capset", 126, 91, 0, 0),
    calls("reboot", 169, 142, 0, 0, 0, 0),
    calls("kexec", 246, 104, 0, 0, 0, 0),
    calls("init-module", 175, 105, 0, 0, 0),
    calls("sethostname", 170, 161, 0, 0),
    calls("settimeofday", 164, 170, 0, 0),
    calls("clock-settime", 227, 112, 0, 0),
    calls("acct", 163, 89, 0),
    calls("swapon", 167, 224, 0, 0),
    calls("quotactl", 179, 60, 0, 0, 0, 0),
    calls("syslog", 103, 116, 3, 0, 0),
    calls("memfd", 319, 279, 0, 0),
    calls("memfd-secret", 447, 447, 0),
    calls("shmget", 29, 194, 0, 4096, 0o1666),
    calls("msgget", 68, 186, 0, 0o1666),
    calls("semget", 64, 190, 0, 1, 0o1666),
    calls("mq-open", 240, 180, 0, 0, 0, 0),
    calls("inotify", 294, 26, 0),
    calls("fanotify", 300, 262, 0, 0),
    calls("timer-create", 222, 107, 0, 0, 0),
    calls("signalfd", 289, 74, -1, 0, 8, 0),
    calls("eventfd", 290, 19, 0, 0),
    calls("splice", 275, 76, 3, 0, 4, 0, 1, 0),
    calls("vmsplice", 278, 75, 4, 0, 0, 0),
    calls("remap-file-pages", 216, 234, 0, 0, 0, 0, 0),
    calls("a-call-of-the-future", 500, 500, 0, 0),
    does(
        "shared-memory", "import multiprocessing.shared_memory as s\ns.SharedMemory('x', True, 9)"
    ),
    does("no-new-privileges-off", "if libc.prctl(38, 0, 0, 0, 0) != 0: raise OSError"),
    does("fake-terminal-input", "fcntl.ioctl(0, 0x5412, b'x')"),
    does(
        "calls-of-32-bits",
        "if ARM: raise OSError\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        # mov eax, 20 (getpid); int 0x80; ret
        "page.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "if ctypes.CFUNCTYPE(ctypes.c_int)(address)() <= 0: raise OSError",
    ),
    does("calls-of-x32", "if ARM: raise OSError\nraw(0x40000000 + 39, 0)"),
]

DESCRIPTORS = [
    does("close-everything", "os.closerange(0, 4096)\nraise SystemExit"),
    does("swap-pipes", "os.dup2(3, 9)\nos.dup2(4, 3)\nos.dup2(9, 4)\nraise SystemExit"),
    does("deaf", "os.close(3)\nraise SystemExit"),
    does("replies-into-null", "os.dup2(1, 4)\nraise SystemExit"),
    does("make-pipes-non-blocking", "os.set_blocking(4, False)"),
    does("more-descriptors", "for _ in range(1000): os.dup(0)"),
    does(
        "find-more-descriptors",
        f"for n in range(5, 4096):\n    try: os.fstat(n)\n"
        f"    except OSError: continue\n    return '{ESCAPED}'\nraise OSError",
    ),
    does("reopen-descriptors", "[open(f'/proc/self/fd/{n}') for n in range(5)]"),
    does("grow-the-pipe", "fcntl.fcntl(4, 1031, 1 << 20)"),
]

ATTACKS = [*PROCESSES, *SIGNALS, *NETWORK, *SYSTEM, *DESCRIPTORS]
