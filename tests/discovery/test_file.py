"""File discovery on a real folder: what is seen how fast, and what a broken file loses (nothing)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pyscrape.discovery.file import FileDiscoverer
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.settings import FileSDConfig
from pyscrape.discovery.target_lists import TargetListError, read_json, read_yaml
from pyscrape.model.settings import from_mapping


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"targets": ["a"], "label": {}}]', "unknown field `label`"),
        ("[null]", "nil target group item found"),
        ('[{"targets": [1]}]', "Expected `str`"),
        ("{}", "Expected `array | null`"),
        ("[{", "truncated"),
    ],
)
def test_json_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(TargetListError, match=r"json: |nil") as caught:
        read_json(text.encode())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- targets: [a]\n  label: {}\n", "line 2: unknown field `label`"),
        ("- null\n", "nil target group item found"),
        ("targets: [a]\n", "line 1: expected a list"),
        ("- targets: a\n", "line 1: expected a list"),
        ("- [\n", "line 2"),
    ],
)
def test_yaml_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(TargetListError) as caught:
        read_yaml(text.encode())
    assert message in str(caught.value)


def test_numbers_in_yaml_keep_their_text() -> None:
    assert read_yaml(b"- targets: ['a:1']\n  labels: {version: 1.10, on: yes}\n") == [
        (("a:1",), {"version": "1.10", "on": "yes"})
    ]


class World:
    def __init__(self) -> None:
        self.groups: dict[str, TargetGroup] = {}
        self.updates = 0

    def update(self, changed: Sequence[TargetGroup]) -> None:
        self.updates += 1
        self.groups.update({group.source: group for group in changed})

    def addresses(self) -> list[str]:
        return sorted(t["__address__"] for group in self.groups.values() for t in group.targets)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def discovering(*patterns: str) -> AsyncIterator[World]:
    world = World()
    config = from_mapping(FileSDConfig, {"files": list(patterns), "refresh_interval": "1h"})
    task = asyncio.create_task(FileDiscoverer(config).run(world.update))
    await world.until(lambda: world.updates > 0)
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def targets(*addresses: str) -> str:
    return json.dumps([{"targets": list(addresses)}])


async def test_changes_are_seen_without_a_refresh(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pyscrape")
    (tmp_path / "a.json").write_text(targets("a:1"))
    async with discovering(str(tmp_path / "*.json")) as world:
        assert world.addresses() == ["a:1"]
        (tmp_path / "b.json").write_text(targets("b:1"))
        await world.until(lambda: world.addresses() == ["a:1", "b:1"])
        renamed = tmp_path / "new"
        renamed.write_text(targets("a:2"))
        renamed.rename(tmp_path / "a.json")
        await world.until(lambda: world.addresses() == ["a:2", "b:1"])
        (tmp_path / "a.json").write_text("[{")
        (tmp_path / "b.json").unlink()
        await world.until(lambda: world.addresses() == ["a:2"])
        (tmp_path / "a.json").write_text(targets("a:3"))
        await world.until(lambda: world.addresses() == ["a:3"])
    told = [message for message in caplog.messages if "file" in message.lower()]
    assert told[:1] + told[-1:] == ["Error reading file", "File can be read again"]


async def test_the_swap_of_a_symbolic_link(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.yml").write_text(f"- targets: ['{name}:1']\n")
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "t.yml").symlink_to("..data/t.yml")
    async with discovering(str(tmp_path / "t.yml")) as world:
        assert world.addresses() == ["v1:1"]
        (tmp_path / "..tmp").symlink_to("v2")
        (tmp_path / "..tmp").rename(tmp_path / "..data")
        await world.until(lambda: world.addresses() == ["v2:1"])


async def test_where_nothing_more_can_be_watched_folders_are_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways: list[bool] = []

    async def awatch(*_: object, force_polling: bool, **__: object) -> object:
        ways.append(force_polling)
        if not force_polling:
            raise OSError("OS file watch limit reached.")
        await asyncio.Event().wait()
        yield set()

    monkeypatch.setattr("pyscrape.discovery.file.awatch", awatch)
    monkeypatch.setattr("pyscrape.discovery.file.FOLDER_LOOK_S", 0.01)
    config = from_mapping(FileSDConfig, {"files": [str(tmp_path / "*.json")]})
    task = asyncio.create_task(FileDiscoverer(config).run(lambda groups: None))
    async with asyncio.timeout(10):
        while len(ways) < 2:
            await asyncio.sleep(0.005)
    assert ways == [False, True]
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
