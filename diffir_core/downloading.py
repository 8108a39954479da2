"""Models from a web page: fetched when asked for, and only the very file meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from diffir_core._whole_files import whole_file
from diffir_core.checkpoint import load_model
from diffir_core.errors import CheckpointError, InputError, OutputExistsError

if TYPE_CHECKING:
    from diffir_core.model import Model

_SHA256 = re.compile(r"[0-9a-f]{64}")


def download_model(
    address: str,
    sha256: str,
    destination: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: Any = False,
) -> Model:
    """Fetch a weights file, check that it is the one that was meant, and load it.

    Parameters
    ----------
    address
        `https:`, `http:`, `ftp:`, or `doi:DOI/FILE` of a file at Zenodo, figshare or
        Dataverse.
    sha256
        SHA-256 of the file, 64 hexadecimal digits, as its authors state it.
    destination
        The file to write, or a folder, which takes the file under the name it has in
        the address. None is the current folder.
    overwrite
        Replace a file that is already there and is another one.
    progress
        An object that pooch takes as a progress bar.

    Returns
    -------
    The model. Where the file is already there, nothing is fetched.

    Raises
    ------
    InputError
        If `sha256` or `address` is not of this form.
    OutputExistsError
        If another file is there.
    CheckpointError
        If the file could not be fetched, is not the one meant, or is no DiffIR.
        Nothing is left of it then.
    """
    digest = _checked_digest(sha256)
    path = _place(address, destination)
    if path.exists():
        if _digest(path) == digest:
            return load_model(path)
        _check_replaceable(path, overwrite=overwrite)
    with whole_file(path) as file:
        _fetch(address, file, progress)
        file.flush()
        _check(Path(file.name), digest, address)
    return load_model(path)


def _check_replaceable(path: Path, *, overwrite: bool) -> None:
    if not overwrite:
        raise OutputExistsError(
            f"{path} is already there and is another file; choose another name or "
            "pass overwrite (--overwrite)."
        )
    try:
        load_model(path)
    except CheckpointError as error:
        raise OutputExistsError(
            f"{path} is already there, is no model, and is not replaced; choose "
            "another name."
        ) from error


def _checked_digest(sha256: str) -> str:
    digest = sha256.strip().lower().removeprefix("sha256:")
    if not _SHA256.fullmatch(digest):
        raise InputError(
            f"'{sha256}' is not a SHA-256, which has 64 hexadecimal digits; copy it "
            "from where the file is offered."
        )
    return digest


def _place(address: str, destination: str | Path | None) -> Path:
    path = Path(destination or ".")
    if path.is_dir():
        name = Path(unquote(urlparse(address).path)).name
        if name in ("", ".."):
            raise InputError(f"'{address}' does not name a file; say where to put it.")
        path /= name
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; create it first.")
    return path


def _fetch(address: str, file: IO[bytes], progress: Any) -> None:
    from pooch.downloaders import choose_downloader

    try:
        download = choose_downloader(address, progressbar=progress)
    except ValueError as error:
        raise InputError(
            f"'{address}' is no address of a file; expected https:, http:, ftp: or "
            "doi:DOI/FILE."
        ) from error
    try:
        download(address, file, None)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{address} could not be fetched: {error}") from error


def _check(fetched: Path, digest: str, address: str) -> None:
    if (found := _digest(fetched)) != digest:
        raise CheckpointError(
            f"{address} is not the file that was meant: its SHA-256 is {found}, "
            f"expected {digest}; nothing was kept."
        )
    load_model(fetched)


def _digest(path: Path) -> str:
    from pooch import file_hash

    return str(file_hash(str(path), alg="sha256"))
