"""Text files as they are in the world: compressed, in several encodings, known by content."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from envs.errors import InputError

_SAMPLE = 4096
"""Bytes from the beginning by which a file's encoding is recognised."""
_UNREAD = {
    b"\x28\xb5\x2f\xfd": ("Zstandard", "zstd -d"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x"),
    b"Rar!\x1a\x07": ("RAR", "unrar x"),
}
"""First bytes of what is compressed so that Python's own library cannot read it."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks; that of UTF-32 begins with that of UTF-16."""


def text_lines(path: Path, what: str, *, latin1: bool = True) -> Iterator[str]:
    """Yield the lines of a text file, each ending in "\\n" but perhaps the last.

    gzip, bzip2 and xz are unpacked, whatever the file is called. UTF-8, UTF-16 and UTF-32 are read,
    with or without a byte-order mark for the first two; a line that is not UTF-8 is ISO 8859-1, the
    character set of the PGN standard (4.1), unless `latin1` is false. Line ends may be of any kind.

    Args:
        path: the file.
        what: the kind of file that was asked for, for the message.
        latin1: whether lines that are not UTF-8 are read.

    Raises:
        InputError: it cannot be read, is compressed in another way or damaged, or is no text.
    """
    try:
        with ExitStack() as stack:
            yield from _decoded(_unpacked(path, stack), path, what, latin1)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: compressed, and damaged ({error}); name a {what} file") from None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        packed = f", and `.zst` is compressed: unpack it with `zstd -d {path.name}`"
        hint = packed if path.suffix == ".zst" else ""
        raise InputError(f"{path}: {reason}{hint}; it cannot be read: give {what} files") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error.encoding}: {error.reason}); name a {what} file"
        ) from None


def read_text(path: Path, what: str, *, latin1: bool = True) -> str:
    """Return a whole file's text with "\\n" for line ends; see `text_lines`."""
    return "".join(text_lines(path, what, latin1=latin1))


def first_line(path: Path, what: str) -> str:
    """Return the first line that is not blank, without the space around it; "" if there is none."""
    return next((line.strip() for line in text_lines(path, what) if line.strip()), "")


def _unpacked(path: Path, stack: ExitStack) -> BinaryIO:
    file = stack.enter_context(path.open("rb"))
    begin = file.read(8)
    file.seek(0)
    for magic, (name, command) in _UNREAD.items():
        if begin.startswith(magic):
            raise InputError(
                f"{path}: compressed ({name}), not UTF-8 text; unpack it with "
                f"`{command} {path.name}` first"
            )
    if begin.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=file)))
    if begin.startswith(b"BZh"):
        return cast(BinaryIO, stack.enter_context(bz2.BZ2File(file)))
    if begin.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, stack.enter_context(lzma.LZMAFile(file)))
    return file


def _decoded(file: BinaryIO, path: Path, what: str, latin1: bool) -> Iterator[str]:
    buffered = io.BufferedReader(cast(io.RawIOBase, file), _SAMPLE * 16)
    sample = buffered.peek(_SAMPLE)[:_SAMPLE]
    mark, encoding = next((m for m in _MARKS if sample.startswith(m[0])), (b"", ""))
    buffered.read(len(mark))
    if not mark:
        encoding = _guessed(sample, path, what)
    if encoding != "utf-8":
        yield from io.TextIOWrapper(buffered, encoding=encoding)
        return
    for raw in buffered:
        yield from _lines(raw, latin1)


def _lines(raw: bytes, latin1: bool) -> Iterator[str]:
    """Yield the lines of what ends at a line feed: several where it holds carriage returns."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        if not latin1:
            raise
        text = raw.decode("latin-1")
    if "\r" not in text:
        yield text
    else:
        yield from io.StringIO(text, newline=None)


def _guessed(sample: bytes, path: Path, what: str) -> str:
    """Return the encoding of a file without a mark. Raises InputError for what is no text."""
    zeros = sample.count(0)
    if zeros * 10 <= len(sample):
        return "utf-8"
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if min(even, odd) * 10 <= max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    raise InputError(f"{path}: binary data, not UTF-8 text; name a {what} file")
