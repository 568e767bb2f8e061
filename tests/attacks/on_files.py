"""Attacks on files: what pays to be read, and what must not be changed."""

from __future__ import annotations

from tests.attacks.attack import ANSWERS, CANARY, MODULE, OUTSIDE
from tests.attacks.on_system import calls, does

_ALSO_LOAD = f"exec(compile(open('{MODULE}').read(), 'm', 'exec'), globals())"
READS = [
    does("open-answers", f"return answer(open('{ANSWERS}').read(), xs)"),
    does("open-answers-upwards", f"return answer(open('../../../..{ANSWERS}').read(), xs)"),
    does(
        "open-answers-through-proc", f"return answer(open('/proc/self/root{ANSWERS}').read(), xs)"
    ),
    does("open-answers-of-parent", f"return answer(open('/proc/PARENT/root{ANSWERS}').read(), xs)"),
    does("open-answers-raw", f"return answer(os.read(os.open('{ANSWERS}', 0), 9999), xs)"),
    does(
        "open-answers-in-c",
        f"libc.fopen.restype = ctypes.c_void_p\n"
        f"if not libc.fopen(b'{ANSWERS}', b'r'): raise OSError",
    ),
    does("open-answers-by-openat2", f"raw(437, 437, -100, b'{ANSWERS}', 0, 24)"),
    does(
        "open-answers-by-path-descriptor",
        f"path = os.open('{ANSWERS}', os.O_PATH)\n"
        "return answer(open(f'/proc/self/fd/{path}').read(), xs)",
    ),
    does(
        "open-answers-by-folder-descriptor",
        f"folder = os.open('{OUTSIDE}', os.O_RDONLY | os.O_DIRECTORY)\n"
        "return answer(os.read(os.open('answers.json', 0, dir_fd=folder), 9999), xs)",
    ),
    calls("open-by-handle", 304, 265, -100, 0, 0),
    does("import-answers", f"sys.path.insert(0, '{OUTSIDE}')\nimport answers"),
    does("run-answers", _ALSO_LOAD),
    does(
        "import-answers-by-path",
        "import importlib.machinery\n"
        f"importlib.machinery.SourceFileLoader('answers', '{MODULE}').load_module()",
    ),
    does("linecache-answers", f"import linecache\nif not linecache.getlines('{ANSWERS}'): 1 / 0"),
    does("list-outside", f"os.listdir('{OUTSIDE}')"),
    does("glob-outside", f"if not glob.glob('{OUTSIDE}/*'): raise OSError"),
    does("list-root", "os.listdir('/')"),
    does("walk-proc", "[open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc')]"),
    does("environment-of-parent", "open('/proc/PARENT/environ').read()"),
    does("memory-of-parent", "open('/proc/PARENT/mem', 'rb')"),
    does("memory-of-itself", "open('/proc/self/mem', 'r+b')"),
    does("maps-of-itself", "open('/proc/self/maps').read()"),
    does("passwd", "open('/etc/passwd').read()"),
    does("hosts", "open('/etc/hosts').read()"),
    does("judges-source", "open('CHECKOUT/rewards/code/judge.py').read()"),
    does("tests-source", "open('CHECKOUT/tests/attacks/attack.py').read()"),
    does("home", "os.listdir(os.path.expanduser('~'))"),
    does("installed-packages", "import site\nos.listdir(site.getsitepackages()[0])\nimport pip"),
    does("devices", "[open(f'/dev/{d}', 'rb') for d in ('null', 'tty', 'mem', 'kmsg', 'shm')]"),
    does(
        "sqlite-answers",
        f"import sqlite3\n"
        f"sqlite3.connect('file:{ANSWERS}?mode=ro', uri=True).execute('select 1 from t')\n",
    ),
]

WRITES = [
    does("write-canary", f"open('{CANARY}', 'w').write('x')"),
    does("append-canary", f"open('{CANARY}', 'ab').write(b'x')"),
    does("update-canary", f"open('{CANARY}', 'r+b').write(b'x')"),
    does("truncate-canary", f"os.truncate('{CANARY}', 0)"),
    does("map-canary", f"mmap.mmap(os.open('{CANARY}', os.O_RDWR), 1)[0] = 1"),
    does("unlink-canary", f"os.unlink('{CANARY}')"),
    does("rename-canary", f"os.rename('{CANARY}', '{CANARY}.gone')"),
    does("link-canary", f"os.link('{CANARY}', '{OUTSIDE}/link')"),
    does("symlink", f"os.symlink('{CANARY}', '{OUTSIDE}/symlink')"),
    does("chmod-canary", f"os.chmod('{CANARY}', 0)"),
    does("touch-canary", f"os.utime('{CANARY}', (0, 0))"),
    does("attribute-of-canary", f"os.setxattr('{CANARY}', 'user.x', b'x')"),
    does("make-file", f"open('{OUTSIDE}/new', 'x')"),
    does("make-nameless-file", f"os.open('{OUTSIDE}', os.O_TMPFILE | os.O_RDWR)"),
    does("make-folder", f"os.mkdir('{OUTSIDE}/folder')"),
    does("make-fifo", f"os.mkfifo('{OUTSIDE}/fifo')"),
    does("temporary-file", "import tempfile\ntempfile.TemporaryFile()"),
    does("write-here", "open('here', 'w')"),
    does("write-in-dev-shm", "open('/dev/shm/x', 'w')"),
    does(
        "sqlite-file",
        f"import sqlite3\nsqlite3.connect('{OUTSIDE}/base').execute('create table t(x)')",
    ),
    does("change-folder-and-write", f"os.chdir('{OUTSIDE}')\nopen('new', 'w')"),
    does("change-root", f"os.chroot('{OUTSIDE}')"),
    does("write-into-library", "open(os.__file__, 'a').write('#')"),
    does("poison-bytecode", "import py_compile\npy_compile.compile(os.__file__, doraise=True)"),
    does("lock-library", "fcntl.flock(os.open(os.__file__, 0), fcntl.LOCK_EX)"),
]

ATTACKS = [*READS, *WRITES]
