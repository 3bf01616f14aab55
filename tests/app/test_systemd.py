"""sd_notify: datagrams to NOTIFY_SOCKET."""

import socket
from pathlib import Path

import pytest

from pyscrape.app.systemd import notify_manager


def test_the_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "s"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "s"))
        notify_manager("READY=1")
        assert listening.recv(100) == b"READY=1"


def test_nobody_asks_or_nobody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_manager("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify_manager("READY=1")
    assert [record.message for record in caplog.records] == ["Cannot notify the service manager"]
