"""The leaderboard's folder: written file by file, each whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from envs.errors import InputError
from selfplay.leaderboard.build import FORMAT, Leaderboard
from selfplay.leaderboard.page import render
from selfplay.leaderboard.tables import comma_separated, markdown
from selfplay.rundir.writes import write_json, write_text

DATA = "leaderboard.json"


def check_folder(folder: Path) -> None:
    """Refuse a folder that is something else than an older leaderboard or empty.

    Raises:
        InputError: in one line.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder with --out")
    try:
        has_files = any(folder.iterdir())
        known = json.loads((folder / DATA).read_text(encoding="utf-8")) if has_files else None
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / DATA}: cannot be read ({error}); name another folder with --out"
        ) from error
    if known is not None and (not isinstance(known, dict) or known.get("format") != FORMAT):
        raise InputError(
            f"{folder}: holds something else than a leaderboard; name another folder with --out"
        )


def write_folder(board: Leaderboard, folder: Path) -> list[Path]:
    """Write leaderboard.json, .md, .csv and index.html; other files in the folder stay.

    The JSON comes first: it marks the folder as a leaderboard, should the rest be cut short.

    Raises:
        InputError: see check_folder, or the folder cannot be written.
    """
    check_folder(folder)
    page = render(board)
    texts = {
        "leaderboard.md": markdown(board.data),
        "leaderboard.csv": comma_separated(board.data),
        "index.html": page,
    }
    try:
        write_json(folder / DATA, board.data, overwrite=True)
        for name, text in texts.items():
            write_text(folder / name, text, overwrite=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written: {error.strerror or error}; choose another with --out"
        ) from error
    return [folder / name for name in (*texts, DATA)]
