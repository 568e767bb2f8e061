"""What a process finds around it: locale, user, standard output. Set right before anything else."""

from __future__ import annotations

import io
import os
import pwd
import sys

_DONE = "SELFPLAY_UTF8"
"""Set where this has begun the process anew, so that it does so once."""


def settle() -> None:
    """Make the process independent of locale and user; may begin it anew (exec), in UTF-8.

    A forced ASCII locale would make names in files and on the command line errors or other names; a
    user id that no list of users knows is an error in libraries that ask for the user's name.
    """
    if sys.getfilesystemencoding() == "ascii" and _DONE not in os.environ:
        os.environ |= {"PYTHONUTF8": "1", _DONE: "1"}
        arguments = [os.fsencode(word) for word in sys.orig_argv[1:]]
        os.execv(sys.executable, [os.fsencode(sys.executable), *arguments])
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks is written as \xfc.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("USER", f"uid{os.getuid()}")
        os.environ.setdefault("LOGNAME", os.environ["USER"])
        if "XDG_CACHE_HOME" in os.environ:  # Ray and others ask for a home, for files of this kind
            os.environ.setdefault("HOME", os.environ["XDG_CACHE_HOME"])


def close_output() -> None:
    """Let nothing more be written to a standard output that nobody reads (`| head`)."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
