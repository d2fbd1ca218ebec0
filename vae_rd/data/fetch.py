"""A published file is on disk with its published checksum, or is downloaded, or is refused in one line."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vae_rd.errors import InputError
from vae_rd.run.files import new_folder

TIMEOUT = (5.0, 20.0)  # Seconds to connect, and of silence in between two pieces of the body.


@dataclass(frozen=True)
class RemoteFile:
    """A file that the world knows by its checksum.

    Attributes:
        name: its file name.
        checksum: as "md5:..." or "sha256:...", in lower-case hexadecimal digits.
        urls: mirrors, tried in this order; () where nobody publishes this very file.
    """

    name: str
    checksum: str
    urls: tuple[str, ...] = ()


def fetch(folder: Path, file: RemoteFile) -> Path:
    """The path of `file` in `folder`, downloaded if it is not there; what is there is only read.

    Nothing but a whole file with the right checksum ever appears under its name, and a failed download leaves neither
    a file nor a new folder behind. The progress bar shows on a terminal only.

    Raises:
        InputError: when what is there has another checksum, or nothing is there and no mirror delivers it.
    """
    path = folder / file.name
    if _is_there(path, file):
        return path
    failures = []
    for url in file.urls:
        try:
            with new_folder(folder):
                return _download(url, path, file)
        except (OSError, ValueError) as error:
            failures.append(f"{urlsplit(url).netloc}: {_reason(error)}")
    because = f"no mirror delivers it ({'; '.join(failures)})" if failures else "it has no public mirror"
    raise InputError(
        f"{path}: missing, and {because}; put the file with {file.checksum} there, "
        "or point --data_dir or VAE_RD_DATA at a folder that has it"
    )


def _is_there(path: Path, file: RemoteFile) -> bool:
    algorithm, _, expected = file.checksum.partition(":")
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, algorithm).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); make it readable, or remove it") from None
    if found != expected:
        remedy = "remove it to have it downloaded again" if file.urls else "put the original there"
        raise InputError(f"{path}: damaged or another file: its {algorithm} is {found}, not {expected}; {remedy}")
    return True


def _download(url: str, path: Path, file: RemoteFile) -> Path:
    """One attempt; pooch writes beside `path` and renames once the checksum is right."""
    import pooch  # Costs 0.1 s, which a run that has its files need not wait for.
    from tqdm import tqdm  # type: ignore[import-untyped]

    pooch.get_logger().setLevel(logging.ERROR)
    # `total` stands in until the server states the length; `disable=None` means only on a terminal.
    with tqdm(desc=file.name, total=1, unit="B", unit_scale=True, disable=None, leave=False) as progress:
        downloader = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=progress, chunk_size=1 << 16)
        pooch.retrieve(url, file.checksum, fname=path.name, path=path.parent.resolve(), downloader=downloader)
    with suppress(OSError):
        path.chmod(0o644)  # It was written as a private file; a data folder may be shared.
    return path


def _reason(error: Exception) -> str:
    """An error of pooch or requests in a word or two: their own messages are long and span lines."""
    if (status := getattr(getattr(error, "response", None), "status_code", None)) is not None:
        return f"HTTP {status}"
    if isinstance(error, ValueError):
        return "wrong checksum"
    return getattr(error, "strerror", None) or type(error).__name__
