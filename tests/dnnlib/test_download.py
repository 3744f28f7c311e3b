# SPDX-License-Identifier: Apache-2.0
"""A file is fetched whole, once, and as what it should be, from a server with every bad habit."""

import email.utils
import hashlib
import http.server
import multiprocessing
import os
import re
import socket
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dnnlib import http_resume
from dnnlib.download import FetchError, fetch

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one content at every path. Its attributes are its habits."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag = '"one"'
        self.modified = None
        self.has_ranges = True
        self.content_type = "application/octet-stream"
        self.drops = []  # After how many bytes the next connections end. None is at the end.
        self.statuses = []  # Of the next answers, when not 200.
        self.chunked = False
        self.ranges = []  # What was asked for.
        self.paths = []
        self.delay_s = 0.0
        self.shift = 0
        self.url = f"http://127.0.0.1:{self.server_port}/models/net%20work.pkl?token=secret"

    def handle_error(self, request, address):
        pass  # Dropped connections are what we are here for.


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        habits = self.server
        habits.ranges.append(self.headers.get("Range"))
        habits.paths.append(self.path)
        time.sleep(habits.delay_s)
        if habits.statuses and (status := habits.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        start = 0
        validators = (None, habits.etag, habits.modified)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and habits.has_ranges and self.headers.get("If-Range") in validators:
            start = int(asked[1])
            if start >= len(habits.content):
                self.send_error(416)
                return
        rest = habits.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", habits.content_type)
        if start:
            first = start + habits.shift
            self.send_header("Content-Range", f"bytes {first}-{len(habits.content) - 1}/{len(habits.content)}")
        for name, value in (("ETag", habits.etag), ("Last-Modified", habits.modified)):
            if value:
                self.send_header(name, value)
        if habits.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        drop = habits.drops.pop(0) if habits.drops else None
        for at in range(0, len(rest), 50_000):
            piece = rest[at : at + 50_000][: None if drop is None else max(0, drop - at)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if habits.chunked and piece else piece)
            if len(piece) < len(rest[at : at + 50_000]):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                return
        if habits.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(http_resume, "FIRST_PAUSE_S", 0.01)
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FULLHEAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads"


def leftovers(cache):
    return sorted(path.name.partition("-")[2] for path in cache.iterdir() if path.suffix != ".lock")


# Local files.


def test_a_local_path_is_returned_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a b.pkl", "odd:name", "C:x", "a%20b", "http"):
        Path(name).write_bytes(CONTENT)
        assert fetch(name) == Path(name)
        assert fetch(Path(name), sha256=SHA256.upper()) == Path(name)
    assert fetch(tmp_path) == tmp_path
    assert fetch((tmp_path / "a b.pkl").as_uri(), sha256=SHA256) == tmp_path / "a b.pkl"


def test_a_wrong_local_file_is_named_and_kept(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"other")
    with pytest.raises(FetchError, match=f"has sha256 {hashlib.sha256(b'other').hexdigest()} instead of {SHA256}"):
        fetch(path, sha256=SHA256)
    assert path.exists()
    with pytest.raises(FetchError, match="is a folder"):
        fetch(tmp_path, sha256=SHA256)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere/x.pkl", "there is no such file"),
        ("file:///nowhere/x.pkl", "there is no such file"),
        ("file://machine/x.pkl", "write three slashes"),
        ("s3://bucket/x.pkl", "cannot be fetched; give a path or a URL such as https://"),
        ("ftp://host/x.pkl", "cannot be fetched"),
        ("http:///x.pkl", "cannot be fetched"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_advice(source, message):
    with pytest.raises(FetchError, match=message):
        fetch(source)


@pytest.mark.parametrize("sha256", ["", "abc", SHA256[:-1], SHA256 + "0", "g" * 64, f" {SHA256}"])
def test_a_sha256_that_is_none_is_refused(tmp_path, sha256):
    with pytest.raises(FetchError, match="64 hexadecimal digits"):
        fetch(tmp_path, sha256=sha256)


def test_local_files_need_no_network(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", no_network)
    (tmp_path / "a").write_bytes(CONTENT)
    fetch(tmp_path / "a", sha256=SHA256)
    fetch((tmp_path / "a").as_uri())
    with pytest.raises(AssertionError, match="touched"):
        fetch("http://127.0.0.1/a", cache_dir=tmp_path)


# Files from the network.


@pytest.mark.parametrize("chunked", [False, True])
def test_a_url_is_fetched_once(server, cache, chunked):
    server.chunked = chunked
    path = fetch(server.url, sha256=SHA256)
    assert path.read_bytes() == CONTENT
    assert path.parent == cache
    assert path.name.endswith("-net_work.pkl")
    assert fetch(server.url) == fetch(server.url, sha256=SHA256) == path
    assert len(server.ranges) == 1
    assert leftovers(cache) == ["net_work.pkl"]


def test_the_cache_folder_can_be_given_and_urls_do_not_collide(server, tmp_path):
    first = fetch(server.url, cache_dir=tmp_path / "mine")
    server.content = b"other"
    second = fetch(server.url + "2", cache_dir=tmp_path / "mine")
    assert first.parent == second.parent == tmp_path / "mine"
    assert (first.read_bytes(), second.read_bytes()) == (CONTENT, b"other")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("validator", ["etag", "date"])
def test_a_dropped_connection_is_continued_where_it_ended(server, cache, chunked, validator):
    server.chunked = chunked
    if validator == "date":
        server.etag, server.modified = 'W/"weak"', email.utils.formatdate(0, usegmt=True)
    server.drops = [300_000, 300_000]
    assert fetch(server.url).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_run_continues(server, cache, monkeypatch):
    monkeypatch.setattr(http_resume, "NUM_TRIES", 1)
    server.drops = [300_000]
    with pytest.raises(
        FetchError, match=r"ended after 300000 of 1024000 bytes.* 293 KiB are kept, run again to continue"
    ):
        fetch(server.url, sha256=SHA256)
    assert leftovers(cache) == ["net_work.pkl.part", "net_work.pkl.part.json"]
    assert fetch(server.url, sha256=SHA256).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert leftovers(cache) == ["net_work.pkl"]


@pytest.mark.parametrize("habit", ["has no ranges", "file has changed", "names no version", "only a weak version"])
def test_what_cannot_be_continued_is_begun_again(server, cache, monkeypatch, habit):
    monkeypatch.setattr(http_resume, "NUM_TRIES", 1)
    server.drops = [300_000]
    server.has_ranges = habit != "has no ranges"
    server.etag = {"names no version": None, "only a weak version": 'W/"x"'}.get(habit, '"one"')
    with pytest.raises(FetchError) as caught:
        fetch(server.url)
    names_version = habit not in ("names no version", "only a weak version")
    assert ("run again to continue" in str(caught.value)) == names_version
    if habit == "file has changed":
        server.content, server.etag = CONTENT[::-1], '"two"'
    assert fetch(server.url).read_bytes() == server.content
    may_ask = habit in ("has no ranges", "file has changed")
    assert server.ranges[1] == ("bytes=300000-" if may_ask else None)


def test_a_part_that_does_not_fit_is_begun_again(server, cache):
    fetch(server.url).unlink()
    (part,) = [cache / f"{path.stem}.part" for path in cache.iterdir() if path.suffix == ".lock"]
    part.write_bytes(b"x" * len(CONTENT))
    http_resume.note_of(part).write_text('"\\"one\\""')
    assert fetch(server.url).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT)}-", None]


def test_a_server_that_sends_another_piece_is_not_believed(server, cache):
    server.drops, server.shift = [300_000], 7
    assert fetch(server.url).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", None]


@pytest.mark.parametrize("note", ["", "{", "5", "null", "[1]"])
def test_a_damaged_note_is_ignored(server, cache, note):
    fetch(server.url).unlink()
    (part,) = [cache / f"{path.stem}.part" for path in cache.iterdir() if path.suffix == ".lock"]
    part.write_bytes(b"x" * 100)
    http_resume.note_of(part).write_text(note)
    assert fetch(server.url).read_bytes() == CONTENT


def test_a_wrong_file_is_removed_and_both_hashes_are_shown(server, cache):
    server.content = b"tampered"
    actual = hashlib.sha256(b"tampered").hexdigest()
    with pytest.raises(FetchError, match=f"has sha256 {actual} instead of {SHA256}; it was removed"):
        fetch(server.url, sha256=SHA256)
    assert leftovers(cache) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server, cache):
    path = fetch(server.url, sha256=SHA256)
    path.write_bytes(b"rotten")
    assert fetch(server.url, sha256=SHA256).read_bytes() == CONTENT


def test_an_overloaded_server_is_asked_again_and_not_for_ever(server, cache):
    server.statuses = [503, 429, 200]
    assert fetch(server.url).read_bytes() == CONTENT
    server.statuses = [503] * 100
    with pytest.raises(FetchError, match=r"the server answered 503 .*, 5 times in a row"):
        fetch(server.url + "2")
    assert len(server.statuses) == 95


@pytest.mark.parametrize(("status", "hint"), [(404, "check the spelling"), (401, "login"), (403, "access"), (410, "")])
def test_a_refusal_is_final_and_clear_and_keeps_secrets(server, cache, status, hint):
    server.statuses = [status] * 2
    with pytest.raises(FetchError, match=rf"answered {status} .*{hint}") as error:
        fetch(server.url)
    assert "/models/net%20work.pkl" in str(error.value)
    assert "secret" not in str(error.value)
    assert len(server.statuses) == 1


def test_a_login_page_is_not_mistaken_for_a_file(server, cache):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(FetchError, match="a web page instead of a file"):
        fetch(server.url)
    assert leftovers(cache) == []


def test_a_silent_server_is_given_up(server, cache, monkeypatch):
    monkeypatch.setattr(http_resume, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(http_resume, "NUM_TRIES", 2)
    server.delay_s = 1.0
    with pytest.raises(FetchError, match=r"(?i)timed out.*2 times in a row"):
        fetch(server.url)


def test_nobody_at_the_address_is_an_error_after_a_few_tries(server, cache, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError, match=r"refused.*5 times in a row"):
            fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/a")


@pytest.mark.parametrize("url", ["http://[::1/a", "http://127.0.0.1:port/a"])
def test_a_malformed_url_is_refused_at_once(cache, url):
    with pytest.raises(FetchError, match="is not a valid URL"):
        fetch(url)


@pytest.mark.parametrize("path", ["a b.pkl", "é.pkl", "100%25.pkl?x=1&y=[2]", "a\nb"])
def test_a_url_may_be_written_as_people_write_it(server, cache, path):
    assert fetch(f"http://127.0.0.1:{server.server_port}/{path}").read_bytes() == CONTENT
    assert server.paths == [f"/{urllib.parse.quote(path, safe='/%?&=[]')}"]


def test_threads_that_want_the_same_file_fetch_it_once(server, cache):
    server.delay_s = 0.1
    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(fetch, [server.url] * 6))) == 1
    assert len(server.ranges) == 1


def test_processes_that_want_the_same_file_fetch_it_once(server, cache):
    server.delay_s = 0.2
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        paths = pool.map(fetch, [server.url] * 2)
    assert paths[0].read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_full_disk_is_not_taken_for_a_network_problem(server, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(http_resume, "_write_validator", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(server.url)
    assert len(server.ranges) == 1


@pytest.mark.parametrize(
    "path",
    ["", "..", "%2e%2e", ".hidden", "a%2Fb", "a%00b", "x" * 300, "%F0%9F%98%80.pkl", "con:aux", "a%5Cb"],
)
def test_any_url_has_a_plain_name_in_the_cache(server, cache, path):
    found = fetch(f"http://127.0.0.1:{server.server_port}/{path}")
    assert found.parent == cache
    assert re.fullmatch(r"[0-9a-f]{16}-[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", found.name)
    assert os.path.basename(found) == found.name
