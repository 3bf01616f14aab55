"""A discovery from outside: the documentation's own example, found by its entry point, checked, decoded and run."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from pyscrape.config import check_text, parse_config
from pyscrape.discovery import plugins
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.make import make_discoverer, supported
from pyscrape.discovery.manager import DiscoveryManager, WantedJob
from pyscrape.discovery.refresh import RefreshDiscoverer


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the documentation, as if it were installed."""
    text = files("pyscrape").joinpath("docs", "discovery-plugins.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    module = ModuleType("csv_discovery")
    exec(compile(code, "discovery-plugins.md", "exec"), module.__dict__)
    entry = EntryPoint("csv", "csv_discovery:PLUGIN", plugins.GROUP)
    monkeypatch.setitem(__import__("sys").modules, "csv_discovery", module)

    def entry_points(*, group: str, name: str = "csv") -> list[EntryPoint]:
        return [entry] if (group, name) == (plugins.GROUP, "csv") else []

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    plugins.find.cache_clear()
    yield module
    plugins.find.cache_clear()


JOB = "scrape_configs:\n  - job_name: inventory\n    csv_sd_configs:\n      - file: {file}\n        {more}\n"


async def test_the_documented_example(
    example: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    inventory = tmp_path / "inventory.csv"
    inventory.write_text("address,rack\na:1,r1\nb:2,r2\n")
    config = parse_config(JOB.format(file="inventory.csv", more="refresh_interval: 30s"), str(tmp_path))
    (settings,) = config.scrape_configs[0].discoveries()
    assert settings.refresh_interval.seconds == 30  # type: ignore[attr-defined]
    assert supported(settings)
    discoverer = example.PLUGIN.discoverer(settings)
    assert isinstance(discoverer, RefreshDiscoverer)
    updates: list[Sequence[TargetGroup]] = []
    await discoverer.refresh(updates.append)
    assert [dict(t) for t in updates[0][0].targets] == [
        {"__address__": "a:1", "__meta_csv_rack": "r1"},
        {"__address__": "b:2", "__meta_csv_rack": "r2"},
    ]
    inventory.unlink()
    await discoverer.refresh(updates.append)
    assert len(updates) == 1 and "No such file" in discoverer.status.last_error
    inventory.write_text("address,rack\na:1,r1\nb:2,r2\n")
    await discoverer.refresh(updates.append)
    assert (len(updates), discoverer.status.last_error) == (1, "")
    assert caplog.messages == ["Unable to refresh target groups", "Target groups are refreshed again"]
    assert "csv_sd_configs" in config.to_yaml()
    again = parse_config(JOB.format(file="inventory.csv", more="refresh_interval: 30s"), str(tmp_path))
    other = parse_config(JOB.format(file="other.csv", more="refresh_interval: 30s"), str(tmp_path))
    assert again.scrape_configs == config.scrape_configs != other.scrape_configs


async def test_what_is_no_group_of_texts_is_its_own_failure(
    example: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The discovery is said to fail and tried again; nobody else is handed what it found."""
    # A row with more columns than there are names has a list under the name None.
    (tmp_path / "inventory.csv").write_text("address,rack\na:1\nb:2,r2,r3\n")
    config = parse_config(JOB.format(file="inventory.csv", more=""), str(tmp_path))
    handed: list[Sequence[TargetGroup]] = []
    manager = DiscoveryManager(make_discoverer, lambda job, groups: handed.append(groups))
    manager.apply({"inventory": WantedJob((), tuple(config.scrape_configs[0].discoveries()))})
    while not caplog.messages:
        await asyncio.sleep(0)
    [(_, status, targets)] = manager.status()
    assert caplog.messages == ["Discovery failed, it starts again"]
    assert (status.state, targets) == ("failing", 0)
    assert "the label '__meta_csv_None' of a target is ['r3'], which is no text" in status.last_error
    await manager.stop()
    assert [group for groups in handed for group in groups] == []


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"targets": ["a:1"]}, "{'targets': ['a:1']} is no TargetGroup"),
        (TargetGroup("s", ({"port": 9100},)), "target group 's': the label 'port' of a target is 9100"),  # type: ignore[dict-item]
        (TargetGroup("s", (), {"": None}), "target group 's': the label '' of a target is None"),  # type: ignore[dict-item]
        (TargetGroup("s", (), {None: "x"}), "target group 's': the label None of a target is 'x'"),  # type: ignore[dict-item]
    ],
)
def test_what_a_plugin_may_not_find(group: TargetGroup, said: str) -> None:
    good = TargetGroup("good", ({"__address__": "a:1"},), {"a": "b"})
    assert plugins.checked(iter([good])) == [good]
    with pytest.raises(TypeError, match=re.escape(said)):
        plugins.checked([good, group])


def test_its_mistakes_are_found_at_their_place(example: ModuleType) -> None:
    problems = check_text(JOB.format(file="''", more="refresh: 30s"))
    errors = [(p.line, p.column, p.message) for p in problems if p.severity == "error"]
    assert len(errors) == 2
    assert errors[0] == (4, 15, "file is missing")
    assert errors[1][:2] == (5, 9) and "unknown field `refresh`" in errors[1][2]


def test_without_the_plugin_the_field_is_unknown() -> None:
    (problem, *_) = [p for p in check_text(JOB.format(file="x", more="")) if p.severity == "error"]
    assert "unknown field `csv_sd_configs`" in problem.message


def test_something_else_under_an_entry_point_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("odd", "math:pi", plugins.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [entry])
    plugins.find.cache_clear()
    with pytest.raises(plugins.PluginError, match="math:pi"):
        plugins.find("odd_sd_configs")
    plugins.find.cache_clear()


def test_a_plugin_that_cannot_be_imported_spoils_no_other_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def entry_points(*, group: str, name: str = "bad") -> list[EntryPoint]:
        looked.append(name)
        return [EntryPoint("bad", "no_such_module_at_all:PLUGIN", group)]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    config = parse_config(
        "scrape_configs: [{job_name: j, dns_sd_configs: [{names: [a.example]}]}]\n", "prometheus.yml"
    )
    (settings,) = config.scrape_configs[0].discoveries()
    assert supported(settings)
    assert make_discoverer(settings).status.kind == "dns"
    assert looked == [], "no entry point is looked at for a discovery of this package"
