"""Text files: their paths, their lines with true numbers, what they are compressed by."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from neuronprobe.errors import InputError

UTF8 = "utf-8-sig"
"""UTF-8, with or without byte order mark."""
PACKED = (".gz", ".zip")
DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile)
BLOCK = 2**16


def text_files(split: str, given: Any, kind: str) -> tuple[Path, ...]:
    """The files of a split: a path, a glob (in the order of names), or a list of these; a path may lead into a zip.

    Raises InputError where there is none; `kind` says what it should have been.
    """
    if isinstance(given, Sequence) and not isinstance(given, str):
        if not given:
            raise InputError(f"corpus.{split} must be a {kind} file or a list of these, got an empty list.")
        return tuple(path for one in given for path in text_files(split, one, kind))
    path = Path(str(given)).expanduser()
    if path.is_file() or _archive(path) is not None:
        return (path,)
    found = sorted(Path(one) for one in glob.glob(str(path), recursive=True) if Path(one).is_file())  # noqa: PTH207
    if not found:
        raise InputError(f"corpus.{split} must be a {kind} file, got {str(given)!r}; there is no such file.")
    return tuple(found)


def ending(path: Path) -> str:
    """How the name of the text ends, in lower case: `.tsv` for `a.tsv.gz`, and for a zip with `a.tsv` alone in it."""
    if path.suffix == ".zip" and path.is_file():
        with zipfile.ZipFile(path) as archive:
            return Path(_member(archive, path, None)).suffix.lower()
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix.lower()


def lines(path: Path, encoding: str = UTF8) -> Iterator[tuple[int, str]]:
    """Lines and their numbers from 1, without line ends and byte order mark.

    Raises InputError, with the line, where they are not UTF-8 (or `encoding`), or hold a NUL or a lone carriage return.
    """
    for number, line in enumerate(raw_lines(path, encoding), 1):
        text = line.rstrip("\n")
        if "\r" in text and "\r" in (text := text.rstrip("\r")):
            raise InputError(
                f"{path}, line {number}, must end in a line feed, got a carriage return within it; save it with the "
                "line ends of Unix or Windows."
            )
        yield number, text


def raw_lines(path: Path, encoding: str = UTF8) -> Iterator[str]:
    """Lines with their ends, for readers that have use for these. Raises InputError as `lines` does."""
    number = 0
    try:
        with io.TextIOWrapper(opened(path), encoding=_with_mark(encoding), newline="\n") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise InputError(
                        f"{path}, line {number}, must be text, got a NUL; is it in another corpus.encoding (utf-16)?"
                    )
                yield line
    except UnicodeError as error:
        raise InputError(
            f"{path}, line {_broken_line(path, encoding)}, must be {_name(encoding)} text, got "
            f"{getattr(error, 'reason', error)}; save it as UTF-8, or set corpus.encoding."
        ) from error
    except LookupError as error:
        raise InputError(f"corpus.encoding must be a known encoding of text, got {encoding!r}.") from error
    except DAMAGED as error:
        raise InputError(f"{path} must be whole, got damage after line {number} ({error}); pack it again.") from error


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, those in gzip or in a zip unpacked as they are read."""
    if (inside := _archive(path)) is not None:
        archive = zipfile.ZipFile(inside)
        return archive.open(_member(archive, inside, path))
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _archive(path: Path) -> Path | None:
    """The zip archive that a path is or leads into."""
    return next((one for one in (path, *path.parents) if one.suffix == ".zip" and one.is_file()), None)


def _member(archive: zipfile.ZipFile, path: Path, inside: Path | None) -> str:
    """The member that a path leads to, else the only one. Raises InputError, naming all, where there is no such."""
    known = [one.filename for one in archive.infolist() if not one.is_dir()]
    wanted = "" if inside is None else inside.as_posix().removeprefix(path.as_posix()).lstrip("/")
    if wanted in known:
        return wanted
    if wanted or len(known) != 1:
        raise InputError(
            f"{path} must hold {wanted or 'one file'}, got {', '.join(known[:8]) or 'nothing'}; "
            f"name one of them: {path}/{known[0] if known else 'FILE'}."
        )
    return known[0]


def _broken_line(path: Path, encoding: str) -> int:
    """The line of the first bytes that can't be decoded, which a reader that decodes ahead does not know."""
    decoder = codecs.getincrementaldecoder(_with_mark(encoding))()
    number = 1
    with opened(path) as file:
        while block := file.read(BLOCK):
            state = decoder.getstate()
            try:
                number += decoder.decode(block).count("\n")
            except UnicodeError:
                decoder.setstate(state)
                return number + _lines_before(decoder, block)
    return number


def _lines_before(decoder: codecs.IncrementalDecoder, block: bytes) -> int:
    """Ends of lines before what can't be decoded."""
    n_lines = 0
    for at in range(len(block)):
        try:
            n_lines += decoder.decode(block[at : at + 1]).count("\n")
        except UnicodeError:
            break
    return n_lines


def _with_mark(encoding: str) -> str:
    return UTF8 if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _name(encoding: str) -> str:
    return "UTF-8" if _with_mark(encoding) == UTF8 else encoding
