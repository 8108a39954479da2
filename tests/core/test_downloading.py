"""Models from a web page: from a real server, which may lie, break off or be gone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import BinaryIO

import pytest
from asking import Command
from networks import save_tiny

from diffir_core import download_model, load_model
from diffir_core.errors import CheckpointError, InputError, OutputExistsError


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder; names with "cut" break off in the middle."""

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
        contents = source.read()
        outputfile.write(
            contents[: len(contents) // 2] if "cut" in self.path else contents
        )

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def offered(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address that it is offered under."""
    folder = tmp_path / "offered"
    folder.mkdir()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Handler, directory=str(folder))
    )
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_model_is_fetched_and_loads_by_its_path(
    offered: tuple[Path, str], tmp_path: Path, diffir_command: Command
) -> None:
    folder, address = offered
    file = save_tiny(folder, "a model")
    digest = sha256(file).upper()
    status, said = diffir_command(
        "download", f"{address}/a%20model.safetensors", "--sha256", digest,
        "--output", str(tmp_path),
    )  # fmt: skip
    assert status == 0, said
    assert "a model.safetensors: deblur, stage 2" in said
    fetched = load_model(tmp_path / "a model.safetensors")
    assert fetched.fingerprint == load_model(file).fingerprint


def test_what_is_there_is_not_fetched_again_or_lost(
    offered: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = offered
    digest = sha256(save_tiny(folder, "model"))
    mine = save_tiny(tmp_path, "model", timesteps=2)
    before = mine.read_bytes()
    with pytest.raises(OutputExistsError, match="another file"):
        download_model(f"{address}/model.safetensors", digest, mine)
    assert mine.read_bytes() == before
    download_model(f"{address}/model.safetensors", digest, mine, overwrite=True)
    assert sha256(mine) == digest
    download_model(f"{address}/gone.safetensors", digest, mine)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other.safetensors", "not the file that was meant"),
        ("cut.safetensors", "could not be fetched"),
        ("missing.safetensors", "could not be fetched"),
    ],
)
def test_another_file_or_a_part_of_it_is_not_kept(
    offered: tuple[Path, str], tmp_path: Path, name: str, message: str
) -> None:
    folder, address = offered
    digest = sha256(save_tiny(folder, "cut"))
    save_tiny(folder, "other", timesteps=2)
    mine = save_tiny(tmp_path, "mine")
    before = mine.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        download_model(f"{address}/{name}", digest, mine, overwrite=True)
    assert mine.read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_only_models_are_replaced(offered: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = offered
    digest = sha256(save_tiny(folder, "model"))
    notes, part = tmp_path / "notes.txt", tmp_path / "model.safetensors.part"
    for path in (notes, part):
        path.write_text("precious")
    with pytest.raises(OutputExistsError, match="is no model"):
        download_model(f"{address}/model.safetensors", digest, notes, overwrite=True)
    download_model(f"{address}/model.safetensors", digest, tmp_path)
    assert notes.read_text() == part.read_text() == "precious"


def test_what_is_no_model_is_not_kept(
    offered: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = offered
    file = folder / "page.safetensors"
    file.write_text("<html>Please log in.</html>")
    with pytest.raises(CheckpointError, match="not a weights file"):
        download_model(f"{address}/{file.name}", sha256(file), tmp_path)
    assert not (tmp_path / file.name).exists()


@pytest.mark.parametrize(
    ("address", "digest", "message"),
    [
        ("https://example.org/a.safetensors", "md5:123", "64 hexadecimal digits"),
        ("carrier:pigeon/a.safetensors", "0" * 64, "no address"),
        ("https://example.org/", "0" * 64, "does not name a file"),
    ],
)
def test_what_can_be_seen_at_once_is_said_at_once(
    tmp_path: Path, address: str, digest: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        download_model(address, digest, tmp_path)
