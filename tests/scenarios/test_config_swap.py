"""A ConfigMap's swap of symbolic links: good configurations take effect in time, broken ones are refused."""

import re
from pathlib import Path

from tests.helpers.processes import fetch, pyscrape, wait_for

GOOD = (
    "global: {{scrape_interval: 1h}}\nscrape_configs:\n"
    "  - job_name: '{name}'\n    static_configs: [{{targets: ['a:1']}}]\n"
)
BAD = "global: {scrape_interval: 1h}\nscrape_configs:\n  - job_name: bad\n    static_config: []\n"


def publish(folder: Path, number: int, text: str) -> None:
    """What the kubelet does: a new folder of content, then `..data` swapped to it in one rename."""
    content = folder / f"..2026_{number}"
    content.mkdir()
    (content / "prometheus.yml").write_text(text)
    link = folder / "..data_tmp"
    link.symlink_to(content.name)
    link.rename(folder / "..data")


def test_five_swaps_two_of_them_broken(tmp_path: Path) -> None:
    publish(tmp_path, 0, GOOD.format(name="swap-0"))
    config = tmp_path / "prometheus.yml"
    config.symlink_to("..data/prometheus.yml")
    flags = ["--config.auto-reload", "--config.auto-reload-interval=1s"]
    with pyscrape(config, *flags) as server:

        def pools() -> list[str]:
            found: list[str] = server.get("/api/v1/scrape_pools")["data"]["scrapePools"]
            return found

        def metric() -> str:
            lines = fetch(server.url + "/metrics")[1].decode().splitlines()
            return next(
                line for line in lines if line.startswith("prometheus_config_last_reload_successful ")
            )

        def place() -> list[tuple[str, str]]:
            """Lines and columns of the metric that says what is wrong."""
            text = fetch(server.url + "/metrics")[1].decode()
            samples = re.findall(r"^pyscrape_config_last_reload_problem\{(.*)\} 1\.0$", text, re.MULTILINE)
            found = [dict(re.findall(r'(\w+)="([^"]*)"', labels)) for labels in samples]
            return [(labels["line"], labels["column"]) for labels in found]

        assert pools() == ["swap-0"]
        for number, text in enumerate([GOOD, BAD, GOOD, BAD, GOOD], start=1):
            before = pools()
            publish(tmp_path, number, text.format(name=f"swap-{number}") if text is GOOD else text)
            if text is GOOD:
                wait_for("the new job", lambda n=number: pools() == [f"swap-{n}"], 5)
                assert metric().endswith(" 1.0") and place() == []
                assert server.get("/api/v1/status/runtimeinfo")["data"]["reloadConfigError"] == ""
                continue
            wait_for("the refusal", lambda: metric().endswith(" 0.0"), 5)
            assert pools() == before
            runtime = server.get("/api/v1/status/runtimeinfo")["data"]
            assert runtime["reloadConfigSuccess"] is False
            assert "prometheus.yml:4:5: " in runtime["reloadConfigError"]
            entries = server.get("/api/v1/status/log", part="config")["data"]["entries"]
            assert any(entry["fields"].get("place", "").endswith("prometheus.yml:4:5") for entry in entries)
            assert place() == [("4", "5")]
            assert "prometheus.yml:4:5" in server.logged()
