# SPDX-License-Identifier: Apache-2.0
"""Bringing a file over HTTP, however often the connection drops.

A *part* is what has arrived so far. Beside it lies a note of the server's *validator*, its ETag or date of last change.
A later try, or a later run, sends it along and asks for the rest only. A server whose file has changed, or which cannot
send a rest, answers with the whole file. So two versions are never joined.
"""

import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from dnnlib.atomic import atomic_write_text
from dnnlib.console import get_logger
from dnnlib.progress import progress
from dnnlib.text import format_bytes

NUM_TRIES = 5
TIMEOUT_S = 30.0  # Without a single byte.
FIRST_PAUSE_S = 1.0  # Doubles from try to try.
CHUNK_BYTES = 1 << 18

_OVERLOADED = (408, 425, 429, 500, 502, 503, 504)
_log = get_logger(__name__)


class FetchError(ValueError):
    """A file could not be fetched, or is not the one that was asked for."""


class _Interrupted(Exception):  # noqa: N818 - not the end: the next try continues
    """A try failed in a way that another one may not."""


def download(url: str, part: Path) -> None:
    """Makes `part` the whole file at `url`, from what is there of it already. The caller holds a lock on `part`."""
    for attempt in range(NUM_TRIES):
        try:
            return _download_rest(url, part)
        except _Interrupted as error:
            reason = str(error)
            _log.warning("%s: %s (try %d of %d)", shown(url), reason, attempt + 1, NUM_TRIES)
        if attempt + 1 < NUM_TRIES:
            time.sleep(FIRST_PAUSE_S * 2**attempt)
    # Without a validator the next run begins anew.
    can_continue = part.exists() and _read_validator(part) is not None
    kept = f"; {format_bytes(part.stat().st_size)} are kept, run again to continue" if can_continue else ""
    raise FetchError(f"{shown(url)}: {reason}, {NUM_TRIES} times in a row{kept}")


def shown(url: str) -> str:
    """The URL as messages show it: without the query and password, which may hold secrets."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _quoted(url: str) -> str:
    """The URL with blanks and letters outside ASCII written as %XX, as a browser does. What is quoted stays."""
    return urllib.parse.quote(url, safe="%!#$&'()*+,/:;=?@[]~")


def note_of(part: Path) -> Path:
    """Where the validator of a part is written."""
    return part.with_name(part.name + ".json")


def _download_rest(url: str, part: Path) -> None:
    validator = _read_validator(part)
    start = part.stat().st_size if validator is not None and part.exists() else 0
    headers = {"User-Agent": "fullhead", "Accept-Encoding": "identity"}
    if start > 0:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        request = urllib.request.Request(_quoted(url), headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            _receive(response, url, part, start)
    except urllib.error.HTTPError as error:
        error.close()
        raise _answer(error, url, part) from None
    except http.client.InvalidURL as error:
        raise FetchError(f"{shown(url)} is not a valid URL: {error}") from None
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise FetchError(f"{shown(url)}: the server cannot prove who it is: {cause}") from None
        raise _Interrupted(f"{type(cause).__name__}: {cause}") from None


def _receive(response: http.client.HTTPResponse, url: str, part: Path, start: int) -> None:
    """Adds an answer to the part, or begins the part anew when the answer is the whole file."""
    path = urllib.parse.urlsplit(url).path
    if response.headers.get_content_type() == "text/html" and not path.endswith((".html", ".htm")):
        raise FetchError(
            f"{shown(url)}: the server answered with a web page instead of a file, perhaps to log in or to confirm; "
            "fetch the file with a browser and give its path"
        )
    if response.status == http.client.PARTIAL_CONTENT:
        if not re.match(rf"bytes {start}-", response.headers.get("Content-Range", "")):
            forget(part)
            raise _Interrupted("the server sent another piece of the file than asked for")
    else:
        start = 0
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    name = urllib.parse.unquote(path.rpartition("/")[2])
    received = 0
    with open(part, "ab" if start > 0 else "wb") as file, progress(expected, name, unit="B") as bar:
        # The old content is gone by now, so the note never speaks of another version than the part's.
        _write_validator(part, response)
        while chunk := response.read1(CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            bar.advance(len(chunk))
    if expected is not None and received != expected:
        raise _Interrupted(f"the connection ended after {received} of {expected} bytes")


def _answer(error: urllib.error.HTTPError, url: str, part: Path) -> Exception:
    """What an answer other than a file means for us."""
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        forget(part)
        return _Interrupted("the part in the cache does not fit the file; starting again")
    if error.code in _OVERLOADED:
        return _Interrupted(f"the server answered {error.code} {error.reason}")
    hint = {401: "; it asks for a login", 403: "; it refuses access", 404: "; check the spelling of the URL"}
    return FetchError(f"{shown(url)}: the server answered {error.code} {error.reason}{hint.get(error.code, '')}")


def forget(part: Path) -> None:
    """Removes a part and its note."""
    part.unlink(missing_ok=True)
    note_of(part).unlink(missing_ok=True)


def _read_validator(part: Path) -> str | None:
    try:
        validator = json.loads(note_of(part).read_text())
    except (OSError, ValueError):
        return None
    return validator if isinstance(validator, str) else None


def _write_validator(part: Path, response: http.client.HTTPResponse) -> None:
    etag = response.headers.get("ETag")
    # A weak ETag promises a file that means the same, not the same bytes.
    is_strong = etag is not None and not etag.startswith("W/")
    atomic_write_text(note_of(part), json.dumps(etag if is_strong else response.headers.get("Last-Modified")))
