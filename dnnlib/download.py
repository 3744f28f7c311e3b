# SPDX-License-Identifier: Apache-2.0
"""Files by path or URL.

The network is touched for an `http:` or `https:` URL that is not in the cache yet, and only then.
"""

import hashlib
import os
import re
import urllib.parse
import urllib.request
from pathlib import Path

from dnnlib import cache
from dnnlib.console import get_logger
from dnnlib.http_resume import FetchError, download, forget, note_of, shown
from dnnlib.locks import FileLock

__all__ = ["FetchError", "fetch"]

_log = get_logger(__name__)


def fetch(source: str | Path, sha256: str | None = None, cache_dir: str | Path | None = None) -> Path:
    """The local path of what is given by path, `file:` URL or `http(s):` URL, checked when its sha256 is given.

    A file from the network is kept in the cache and is not asked for again.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise FetchError(f"sha256 {sha256!r} is not 64 hexadecimal digits, as `sha256sum FILE` prints them")
    sha256 = sha256 and sha256.lower()
    if isinstance(source, Path) or not re.match(r"file:|[A-Za-z][A-Za-z0-9+.-]+://", source):
        return _check_local(Path(source), sha256)
    try:
        url = urllib.parse.urlsplit(source)
    except ValueError as error:
        raise FetchError(f"{source} is not a valid URL: {error}") from None
    if url.scheme == "file":
        return _check_local(_path_of(url), sha256)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise FetchError(f"{shown(source)} cannot be fetched; give a path or a URL such as https://host/file.pkl")
    folder = cache.cache_dir("downloads") if cache_dir is None else Path(cache_dir)
    return _fetch_url(source, sha256, folder / _cache_name(url))


def _path_of(url: urllib.parse.SplitResult) -> Path:
    if url.netloc not in ("", "localhost"):
        raise FetchError(f"{url.geturl()} names the machine {url.netloc!r}; write three slashes, as in file:///x.pkl")
    return Path(urllib.request.url2pathname(url.path))


def _check_local(path: Path, sha256: str | None) -> Path:
    if not path.exists():
        raise FetchError(f"{path}: there is no such file")
    if sha256 is not None:
        if path.is_dir():
            raise FetchError(f"{path}: is a folder and has no sha256; name a file, or give no sha256")
        actual = _hash(path)
        if actual != sha256:
            raise FetchError(f"{path}: has sha256 {actual} instead of {sha256}; it is damaged or another file")
    return path


def _fetch_url(url: str, sha256: str | None, path: Path) -> Path:
    def tell(holder: str) -> None:
        _log.info("waiting for %s, which is downloading %s", holder, shown(url))

    if _is_good(path, sha256):
        return path
    with FileLock(path.with_name(path.name + ".lock"), on_wait=tell):
        if _is_good(path, sha256):
            return path  # Another process has fetched it meanwhile.
        if path.exists():
            _log.warning("%s: does not have the sha256 asked for; downloading it again", path)
            path.unlink()
        part = path.with_name(path.name + ".part")
        download(url, part)
        if not _is_good(part, sha256):
            actual = _hash(part)
            forget(part)
            raise FetchError(
                f"{shown(url)}: has sha256 {actual} instead of {sha256}; it was removed. "
                "The file at the URL has changed, or something on the way replaced it"
            )
        _sync(part)
        os.replace(part, path)
        note_of(part).unlink(missing_ok=True)
    return path


def _is_good(path: Path, sha256: str | None) -> bool:
    """Whether a file is there and is the one asked for. It is whole: only whole files take their name."""
    return path.exists() and (sha256 is None or _hash(path) == sha256)


def _cache_name(url: urllib.parse.SplitResult) -> str:
    """Different for different URLs, with the file's own name at the end, for people and for its suffix."""
    name = urllib.parse.unquote(url.path).rpartition("/")[2]
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-80:].lstrip(".") or "file"
    return f"{hashlib.sha256(url.geturl().encode()).hexdigest()[:16]}-{readable}"


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
