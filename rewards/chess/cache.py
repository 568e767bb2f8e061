"""ScoreCache: position scores in SQLite, shared by all scorers of a machine and by later runs."""

from __future__ import annotations

import json
import logging
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from envs.errors import InputError
from envs.places import user_cache
from rewards.chess.engine import EngineIdentity
from rewards.chess.scores import PositionScores

SCHEMA = 1
APPLICATION_ID = 0x53504C59
"""SQLite's application id of our file ("SPLY"): another program's database is refused."""
RULE = 1
"""Version of the rule by which engine.py reads scores off a search; a new one is a new setting."""
BUSY_S = 10.0
"""How long one access may wait for other processes."""
_ASK_AT_ONCE = 500
_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def default_cache_path() -> Path:
    """Return `engine.sqlite` in the user's cache folder. Raises InputError where there is none."""
    return user_cache() / "engine.sqlite"


def setting_key(identity: EngineIdentity, nodes: int, hash_mb: int) -> str:
    """Return the canonical text of all that decides a position's scores besides the position."""
    setting = {
        "engine": identity.name,
        "sha256": identity.sha256,
        "options": identity.options,
        "nodes": nodes,
        "hash_mb": hash_mb,
        "multipv": "all",
        "rule": RULE,
    }
    return json.dumps(setting, sort_keys=True, separators=(",", ":"))


class ScoreCache:
    """Scores by FEN (all six fields) and setting (see `setting_key`).

    A file that cannot be opened, is no cache or is corrupt raises InputError. A database that is
    busy for more than BUSY_S or full costs speed only: the read is a miss, the write is dropped,
    `failures` counts it and the first is logged. Threads may share one instance; processes open
    their own, and so does a process after a fork.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file; None is `default_cache_path()`."""
        self.path = default_cache_path() if path is None else path.expanduser()
        self.hits = 0
        self.misses = 0
        self.failures = 0
        self._lock = threading.Lock()
        self._settings: dict[str, int] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db, self._pid = self._open(), os.getpid()
        except OSError as error:
            raise self._fault(f"cannot create its folder ({error.strerror})") from error
        except sqlite3.Error as error:
            raise self._fault(f"cannot be used ({error})") from error

    def _fault(self, fault: str) -> InputError:
        return InputError(
            f"engine.cache={self.path}: {fault}; move the file away, or set "
            "`engine.cache=/writable/engine.sqlite` or, for all caches, XDG_CACHE_HOME"
        )

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _retry(lambda: self._prepare(db))
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make or check the schema; every statement may be run again."""
        db.execute("BEGIN IMMEDIATE")  # Also finds out whether the file can be written.
        try:
            mark = db.execute("PRAGMA application_id").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables and (mark, version) != (APPLICATION_ID, SCHEMA):
                raise self._fault("is another program's or another version's database")
            if not tables:
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {SCHEMA}")
                db.execute("CREATE TABLE settings (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
                db.execute(
                    "CREATE TABLE scores (fen TEXT, setting INTEGER, scores TEXT NOT NULL, "
                    "PRIMARY KEY (fen, setting)) WITHOUT ROWID"
                )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("PRAGMA journal_mode = WAL")
        # NORMAL loses at most the last scores in a power cut, and they can be computed again.
        db.execute("PRAGMA synchronous = NORMAL")

    def get(self, fen: str, setting: str) -> PositionScores | None:
        """Return the scores of one position, None when it is not known."""
        return self.get_many([fen], setting).get(fen)

    def get_many(self, fens: Iterable[str], setting: str) -> dict[str, PositionScores]:
        """Return the known scores by FEN; duplicates among `fens` count once."""
        wanted = list(dict.fromkeys(fens))
        found: dict[str, PositionScores] = {}
        for start in range(0, len(wanted), _ASK_AT_ONCE):
            part = wanted[start : start + _ASK_AT_ONCE]
            rows = self._run(partial(self._read, fens=part, setting=setting))
            for fen, text in rows or []:
                try:
                    found[fen] = PositionScores.from_json(text)
                except ValueError as error:
                    raise self._fault(f"holds broken scores for FEN {fen} ({error})") from error
        self.hits += len(found)
        self.misses += len(wanted) - len(found)
        return found

    def put(self, fen: str, setting: str, scores: PositionScores) -> None:
        """Keep the scores of one position; what is there already stays as it is."""
        self._run(lambda db: self._write(db, fen, setting, scores.to_json()))

    def _read(self, db: sqlite3.Connection, fens: list[str], setting: str) -> list[tuple[str, str]]:
        marks = ",".join("?" * len(fens))
        return db.execute(
            f"SELECT fen, scores FROM scores WHERE setting = ? AND fen IN ({marks})",
            [self._setting(db, setting), *fens],
        ).fetchall()

    def _write(self, db: sqlite3.Connection, fen: str, setting: str, text: str) -> None:
        db.execute(
            "INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", [fen, self._setting(db, setting), text]
        )

    def _setting(self, db: sqlite3.Connection, text: str) -> int:
        known = self._settings.get(text)
        if known is None:
            db.execute("INSERT OR IGNORE INTO settings (text) VALUES (?)", [text])
            row = db.execute("SELECT id FROM settings WHERE text = ?", [text]).fetchone()
            known = self._settings[text] = int(row[0])
        return known

    def _run(self, action: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Run one access; None when the database is busy too long or full."""
        with self._lock:
            try:
                if self._pid != os.getpid():
                    # SQLite forbids a connection to cross a fork; the parent's is not touched.
                    self._inherited, self._db, self._pid = self._db, self._open(), os.getpid()
                return _retry(lambda: action(self._db))
            except sqlite3.ProgrammingError:
                raise  # Used after close: a bug of ours, not of the file.
            except sqlite3.OperationalError as error:
                self.failures += 1
                if self.failures == 1:
                    _log.warning("engine cache %s left out for now: %s", self.path, error)
                return None
            except sqlite3.DatabaseError as error:
                raise self._fault(f"cannot be used ({error})") from error

    def close(self) -> None:
        """Close the file; the cache is of no use afterwards."""
        with self._lock:
            self._db.close()


def _retry(action: Callable[[], _T]) -> _T:
    """Run `action` until it is not refused as busy, BUSY_S at most.

    SQLite's own busy timeout does not cover the change to WAL nor a recovery.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
            if code not in _BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0.005, 0.05))
