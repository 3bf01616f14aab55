"""What the API says of pools: configuration, rule by rule, and targets by pool."""

import json

from tests.helpers.pages import site_of

CONFIG = """
scrape_configs:
  - job_name: node
    basic_auth: {username: ann, password: hidden}
    relabel_configs:
      - {source_labels: [zone], target_label: z, replacement: x$1}
      - {source_labels: [zone], regex: b, action: drop}
      - {target_label: after}
  - job_name: other
"""
TARGETS = [{"__address__": "one:9100", "zone": "a"}, {"__address__": "two:9100", "zone": "b"}]


async def test_steps_are_shown_with_whole_rules_until_the_first_drop() -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        path = "/api/v1/targets/relabel_steps"
        data = await site.client.data(path, scrapePool="node", labels='{"zone":"b"}')
        errors = [
            await site.client.error(path),
            await site.client.error(path, scrapePool="none", labels="{}"),
            await site.client.error(path, scrapePool="node", labels="x"),
            await site.client.error(path, scrapePool="node", labels='{"a": 1}'),
        ]
    first, second = data["steps"]
    assert first["rule"] == {
        "source_labels": ["zone"],
        "separator": ";",
        "regex": "(.*)",
        "target_label": "z",
        "replacement": "x$1",
        "action": "replace",
    }
    assert (first["output"], first["keep"]) == ({"zone": "b", "z": "xb"}, True)
    assert (second["rule"]["regex"], second["rule"]["action"]) == ("b", "drop")
    assert (second["output"], second["keep"]) == ({}, False)
    kinds = [(status, kind) for status, kind, _ in errors]
    assert kinds == [(400, "bad_data"), (404, "not_found"), (400, "bad_data"), (400, "bad_data")]


async def test_the_configuration_of_a_pool() -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        data = await site.client.data("/api/v1/scrape_pools/config", scrapePool="other")
        assert await site.client.data("/api/v1/scrape_pools") == {"scrapePools": ["node", "other"]}
        assert (await site.client.error("/api/v1/scrape_pools/config"))[:2] == (400, "bad_data")
        unknown = await site.client.error("/api/v1/scrape_pools/config", scrapePool="none")
        assert unknown[:2] == (404, "not_found")
    assert "other" in data["yaml"]


async def test_states_that_there_are_not() -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        data = await site.client.data("/api/v1/targets", state="up")
    assert (data["activeTargets"], data["droppedTargets"], data["droppedTargetCounts"]) == ([], [], None)


async def test_targets_of_one_pool_beside_the_counts_of_all() -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        node = await site.client.data("/api/v1/targets", scrapePool="node")
        none = await site.client.data("/api/v1/targets", scrapePool="none", state="ANY")
        active = await site.client.data("/api/v1/targets", state="Active")
        blocks = await site.client.data("/api/v1/status/tsdb/blocks")
    assert [target["labels"]["instance"] for target in node["activeTargets"]] == ["one:9100"]
    assert [target["discoveredLabels"]["__address__"] for target in node["droppedTargets"]] == ["two:9100"]
    assert node["droppedTargetCounts"] == {"node": 1, "other": 0}
    assert none == {**none, "activeTargets": [], "droppedTargets": []}
    assert none["droppedTargetCounts"] == {"node": 1, "other": 0}
    assert active["droppedTargets"] == []
    assert json.dumps(blocks) == '{"blocks": []}'
