"""File discovery on a real folder: what is seen how fast, and what a broken file loses (nothing)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pyscrape.discovery.file import FileDiscoverer, matching
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.settings import FileSDConfig
from pyscrape.discovery.target_lists import GO_GROUP, TargetListError, read_json, read_json_plainly, read_yaml
from pyscrape.model.settings import from_mapping


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Prometheus' own words, except for what is no JSON at all.
        ('[{"targets": ["a"], "label": {}}]', 'json: unknown field "label"'),
        ("[null]", "nil target group item found"),
        ('[{"targets": [1]}]', "json: cannot unmarshal number into Go struct field .targets of type string"),
        (
            '[{"targets": "x"}]',
            "json: cannot unmarshal string into Go struct field .targets of type []string",
        ),
        (
            '[{"labels": {"a": 1}}]',
            "json: cannot unmarshal number into Go struct field .a of type model.LabelValue",
        ),
        ('[{"labels": {"": "x"}}]', '"" is not a valid label name'),
        ('[{"Labels": {"": "x"}}]', '"" is not a valid label name'),
        ("{}", "json: cannot unmarshal object into Go value of type []*targetgroup.Group"),
        ("[3]", f"json: cannot unmarshal number into Go value of type {GO_GROUP}"),
        ("", "json: Expecting value: line 1 column 1 (char 0)"),
        ("[] x", "json: Extra data: line 1 column 4 (char 3)"),
        ("[{", "json: Expecting property name enclosed in double quotes: line 1 column 3 (char 2)"),
    ],
)
def test_json_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(TargetListError) as caught:
        read_json(text.encode())
    assert str(caught.value) == message


def test_json_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(TargetListError, match=r"json: .*recursion"):
        read_json(b'[{"targets": ' + b"[" * 200_000)


@pytest.mark.parametrize(
    ("text", "targets", "labels"),
    [
        # All of it was given to Prometheus 3.14 as files.
        (b'{"Targets": ["a:1"], "LABELS": {"a": "b"}}', ("a:1",), {"a": "b"}),
        (b'{"targets": [null, "a:4"], "labels": {"q": null}}', ("", "a:4"), {"q": ""}),
        (b'{"targets": null, "labels": null}', (), {}),
        (
            b'{"targets": ["a:5"], "labels": {"bad": "a\xffb"}}',
            ("a:5",),
            {"bad": "a\N{REPLACEMENT CHARACTER}b"},
        ),
        (
            rb'{"targets": ["a:6"], "labels": {"bad": "a\ud800b"}}',
            ("a:6",),
            {"bad": "a\N{REPLACEMENT CHARACTER}b"},
        ),
        (b'{"targets": ["a:8"], "labels": {"a": "1"}, "labels": {"b": "2"}}', ("a:8",), {"b": "2"}),
        (b'{"targets": ["a:9"], "labels": {"a": "1", "a": "2"}}', ("a:9",), {"a": "2"}),
    ],
)
def test_json_is_read_as_leniently_as_go_reads_it(
    text: bytes, targets: tuple[str, ...], labels: dict[str, str]
) -> None:
    assert read_json(b"[" + text + b"]") == read_json_plainly(b"[" + text + b"]") == [(targets, labels)]


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
    def __init__(self, discoverer: FileDiscoverer) -> None:
        self.discoverer = discoverer
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
    config = from_mapping(FileSDConfig, {"files": list(patterns), "refresh_interval": "1h"})
    world = World(FileDiscoverer(config))
    task = asyncio.create_task(world.discoverer.run(world.update))
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


async def test_hidden_files_and_patterns_as_go_has_them(tmp_path: Path) -> None:
    for name in (".hidden.json", "ay.json", "xy.json", "z.yml"):
        (tmp_path / name).write_text(targets(f"{name}:1"))
    assert [Path(name).name for name in matching([f"{tmp_path}/[^x]y.json", f"{tmp_path}/*.json"])] == [
        "ay.json",
        ".hidden.json",
        "xy.json",
    ]


async def test_a_folder_that_is_a_pattern_is_watched(tmp_path: Path) -> None:
    for name in ("sd1", "sd2"):
        (tmp_path / name).mkdir()
    async with discovering(f"{tmp_path}/sd?/t.json") as world:
        (tmp_path / "sd2" / "t.json").write_text(targets("a:1"))
        await world.until(lambda: world.addresses() == ["a:1"])


async def test_a_folder_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    folder.mkdir()
    (folder / "t.json").write_text(targets("a:1"))
    async with discovering(str(folder / "*.json")) as world:
        for turn in range(2, 5):
            (folder / "t.json").unlink()
            folder.rmdir()
            folder.mkdir()
            (folder / "t.json").write_text(targets(f"a:{turn}"))
            await world.until(lambda: world.addresses() == [f"a:{turn}"])  # noqa: B023
            (folder / "u.json").write_text(targets(f"b:{turn}"))
            await world.until(lambda: world.addresses() == [f"a:{turn}", f"b:{turn}"])  # noqa: B023
            (folder / "u.json").unlink()
            await world.until(lambda: world.addresses() == [f"a:{turn}"])  # noqa: B023


async def test_a_folder_behind_another_link_is_watched_from_the_next_look_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyscrape.discovery.file.START_UP_S", 3600.0)
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.json").write_text(targets(f"{name}:1"))
    (tmp_path / "sd").symlink_to("v1")
    async with discovering(str(tmp_path / "sd" / "t.json")) as world:
        (tmp_path / "new").symlink_to("v2")
        (tmp_path / "new").rename(tmp_path / "sd")
        await world.discoverer.refresh(
            world.update
        )  # as after refresh_interval: the link itself is not watched
        assert world.addresses() == ["v2:1"]

        def written_and_seen() -> bool:
            (tmp_path / "v2" / "t.json").write_text(
                targets("v2:2")
            )  # again: the watch may not have begun yet
            return world.addresses() == ["v2:2"]

        await world.until(written_and_seen)


async def test_a_broken_file_is_told_beside_what_the_others_say(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(targets("a:1"))
    bad.write_text('[{"target": []}]')
    os.utime(good, (1000, 1000))
    async with discovering(str(tmp_path / "*.json")) as world:
        status = world.discoverer.status
        assert world.addresses() == ["a:1"]
        assert (status.state, status.last_error) == ("failing", f'{bad}: json: unknown field "target"')
        assert status.details["files"] == {str(good): 1000.0}
        assert status.counts["file_read_errors"] >= 1
        bad.write_text(targets("b:1"))
        await world.until(lambda: world.addresses() == ["a:1", "b:1"])
        assert (status.state, status.last_error) == ("running", "")
        assert status.counts["file_scan"] >= 2


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


async def test_where_nothing_more_can_be_watched_files_are_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[object] = []

    async def awatch(*folders: object, **_: object) -> object:
        tried.append(folders)
        raise OSError("OS file watch limit reached.")
        yield set()

    monkeypatch.setattr("pyscrape.discovery.file.awatch", awatch)
    monkeypatch.setattr("pyscrape.discovery.file.POLL_S", 0.01)
    monkeypatch.setattr("pyscrape.discovery.file.POLL_FOR_S", 0.1)
    monkeypatch.setattr("pyscrape.discovery.file.START_UP_S", 3600.0)
    file = tmp_path / "a.json"
    file.write_text(targets("a:0"))
    async with discovering(str(tmp_path / "*.json")) as world:
        for turn in range(1, 10):  # several within a second, all of the same size
            new = tmp_path / "new"
            new.write_text(targets(f"a:{turn}"))
            new.rename(file)
            await world.until(lambda: world.addresses() == [f"a:{turn}"])  # noqa: B023
        await world.until(lambda: len(tried) > 2)
        file.unlink()
        await world.until(lambda: world.addresses() == [])
        assert world.discoverer.status.counts["file_watcher_errors"] == len(tried)
    assert sum("Cannot watch folders" in message for message in caplog.messages) == 1
