"""Downloads against a loopback server that misbehaves in the ways mirrors do."""

import hashlib
import io
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vae_rd.data import fetch as fetch_module
from vae_rd.data.fetch import RemoteFile, fetch
from vae_rd.errors import InputError

CONTENT = bytes(range(256)) * 2000
SIZE = len(CONTENT)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


class Mirrors(BaseHTTPRequestHandler):
    """Serves the file under /good and a fault under the name of the fault."""

    def do_GET(self):
        self.server.requested.append(self.path)
        getattr(self, self.path.split("/")[1])()

    def good(self, content=CONTENT, length=SIZE):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def absent(self):
        self.send_error(404)

    def truncated(self):
        self.good(CONTENT[:1000], length=1000)

    def wrong(self):
        self.good(CONTENT[::-1])

    def dying(self):
        self.good(CONTENT[:300_000])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def silent(self):
        self.server.released.wait(60)

    def halting(self):
        self.good(CONTENT[:300_000])
        self.server.halfway.set()
        self.server.released.wait(20)
        self.wfile.write(CONTENT[300_000:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirrors) as running:
        running.daemon_threads = True
        running.requested, running.halfway, running.released = [], threading.Event(), threading.Event()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join(5)


def remote(server, *mirrors, checksum=MD5):
    host = f"http://127.0.0.1:{server.server_port}"
    return RemoteFile("digits.bin", checksum, tuple(f"{host}/{mirror}/digits.bin" for mirror in mirrors))


def one_line(refused):
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("fault", ["absent", "truncated", "wrong", "dying"])
def test_next_mirror_makes_good_for_a_bad_one(server, tmp_path, capfd, fault):
    folder = tmp_path / "data" / "digits"
    path = fetch(folder, remote(server, fault, "good", "wrong"))
    assert path == folder / "digits.bin"
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in folder.iterdir()] == ["digits.bin"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert server.requested == [f"/{fault}/digits.bin", "/good/digits.bin"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("absent", "HTTP 404"), ("truncated", "wrong checksum"), ("wrong", "wrong checksum"), ("dying", "Error")],
)
def test_no_good_mirror_is_one_line_and_leaves_nothing_behind(server, tmp_path, capfd, fault, reason):
    folder = tmp_path / "data" / "digits"
    with pytest.raises(InputError) as refused:
        fetch(folder, remote(server, fault))
    message = one_line(refused)
    assert str(folder / "digits.bin") in message
    assert MD5 in message
    assert f"127.0.0.1:{server.server_port}: " in message
    assert reason in message
    assert "VAE_RD_DATA" in message
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_offline_every_mirror_is_named(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    file = RemoteFile("digits.bin", MD5, (f"http://{closed}/a", f"http://{closed}/b"))
    with pytest.raises(InputError) as refused:
        fetch(tmp_path / "digits", file)
    assert one_line(refused).count(f"{closed}: ConnectionError") == 2


def test_silent_mirror_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_module, "TIMEOUT", (0.2, 0.2))
    start = time.monotonic()
    assert fetch(tmp_path, remote(server, "silent", "good")).read_bytes() == CONTENT
    assert time.monotonic() - start < 10


def test_half_a_file_never_stands_under_its_name(server, tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(fetch(tmp_path, remote(server, "halting"))))
    thread.start()
    assert server.halfway.wait(10)
    assert not (tmp_path / "digits.bin").exists()
    server.released.set()
    thread.join(10)
    assert results[0].read_bytes() == CONTENT


def test_interrupted_download_leaves_nothing_behind(server, tmp_path, monkeypatch):
    import pooch

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "data" / "digits", remote(server, "good"))
    assert list(tmp_path.iterdir()) == []


def test_present_file_is_only_read(server, tmp_path):
    path = tmp_path / "digits.bin"
    path.write_bytes(CONTENT)
    before = (tmp_path.stat().st_mtime_ns, path.stat().st_mtime_ns)
    sha256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    for checksum in (MD5, sha256):
        assert fetch(tmp_path, remote(server, "good", checksum=checksum)) == path
    assert (tmp_path.stat().st_mtime_ns, path.stat().st_mtime_ns) == before
    assert server.requested == []


@pytest.mark.parametrize(("mirrors", "remedy"), [(["good"], "remove it"), ([], "put the original")])
def test_damaged_file_is_refused_and_kept(server, tmp_path, mirrors, remedy):
    path = tmp_path / "digits.bin"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError) as refused:
        fetch(tmp_path, remote(server, *mirrors))
    message = one_line(refused)
    assert str(path) in message
    assert MD5.removeprefix("md5:") in message
    assert remedy in message
    assert path.read_bytes() == CONTENT[:-1]
    assert server.requested == []


def test_file_without_mirror_says_where_to_put_it(tmp_path):
    with pytest.raises(InputError, match="no public mirror; put the file with sha256:12ab there") as refused:
        fetch(tmp_path / "faces", RemoteFile("faces.npz", "sha256:12ab"))
    assert str(tmp_path / "faces" / "faces.npz") in one_line(refused)
    assert list(tmp_path.iterdir()) == []


def test_data_root_that_is_a_file_is_refused(server, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(InputError, match=r"digits\.bin: missing, .*Not a directory"):
        fetch(tmp_path / "data" / "digits", remote(server, "good"))


def test_folder_in_place_of_the_file_is_refused(server, tmp_path):
    (tmp_path / "digits.bin").mkdir()
    with pytest.raises(InputError, match=r"digits\.bin: cannot be read \(Is a directory\)"):
        fetch(tmp_path, remote(server, "good"))


def test_progress_bar_on_a_terminal_names_the_file(server, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fetch(tmp_path, remote(server, "good"))
    assert "digits.bin" in terminal.getvalue()
    assert "512k" in terminal.getvalue()
    assert "Downloading" not in terminal.getvalue()
