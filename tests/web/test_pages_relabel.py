"""The relabel page: explanations of any target, and what edited rules would do to all of them."""

from pathlib import Path

import pytest

from pyscrape.cli.relabel_cases import read_tests
from pyscrape.relabel import explain, load_relabel_configs
from pyscrape.web.pages.discovery_page import entries
from pyscrape.web.pages.label_text import LabelTextError, parse_labels, print_labels
from pyscrape.web.pages.relabel_page import rules_text, unit_test
from pyscrape.web.pages.shape import label_id
from pyscrape.web.pages.what_if import differences
from tests.helpers.pages import Site, site_of
from tests.web.test_pages import CONFIG, HOSTILE, TARGETS, many

KEEP_ALL = "- {source_labels: [__meta_zone], target_label: zone}"


def id_of(site: Site, address: str) -> str:
    pool = site.services.pools.pools["node"]
    found = [entry.discovered for entry in entries(pool)]
    return next(label_id(labels) for labels in found if labels["__address__"] == address)


@pytest.mark.parametrize(
    ("address", "texts"),
    [
        ("one:9100", ['zone=</b><wbr>"<bdi>here</bdi>', "http://one:9100/metrics", "rule 3", "no match"]),
        ("two:9100", ["dropped by rule 1", "which matches `away`", "dropped_by: 1"]),
        ("three:9100", ["could not be built", "is not a valid hostname"]),
    ],
)
async def test_every_target_is_explained(address: str, texts: list[str]) -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        page = await site.text(f"/relabel?job=node&target={id_of(site, address)}")
    for text in texts:
        assert text in page, text
    assert 'id="what-if"' not in page


async def test_a_job_without_targets_says_so() -> None:
    said = "This job has no target to choose from."
    for targets, stage, expected in (
        (TARGETS, "", False),
        (TARGETS[1:], "", False),
        (TARGETS[1:], "metric", True),
    ):
        async with site_of(CONFIG, {"node": targets}) as site:
            assert (said in await site.text(f"/relabel?job=node&stage={stage}")) is expected
    async with site_of(CONFIG, {}) as site:
        assert said in await site.text("/relabel?job=node")


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: shop-1, namespace: shop, labels: {app: shop}}
spec:
  containers:
    - {name: web, ports: [{containerPort: 8080, name: http}, {containerPort: 9100, name: metrics}]}
status: {podIP: 127.0.0.9, phase: Running}
"""
PORTS = """\
- {source_labels: [__meta_kubernetes_pod_container_port_name], regex: metrics, action: keep}
- {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
"""


@pytest.mark.parametrize("job", ["", "node"])
async def test_pasted_objects_are_explained_by_target(job: str) -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        page = (await site.client.post("/relabel", job=job, rules=PORTS, labels=POD)).text
    for text in (
        "127.0.0.9:8080",
        "dropped by rule 1",
        'namespace=</b><wbr>"<bdi>shop</bdi>"',
        "http://127.0.0.9:9100/metrics",
        "target 2",
        "dropped_by: 1",
    ):
        assert text in page, text
    assert page.count("Rule by rule") == 2
    assert ('id="what-if"' in page) == bool(job)


async def test_a_job_reads_objects_by_its_own_roles() -> None:
    config = "scrape_configs: [{job_name: k, kubernetes_sd_configs: [{role: service}]}]"
    async with site_of(config, {"k": []}) as site:
        page = (await site.client.post("/relabel", job="k", labels=POD)).text
    assert "discovery of role service makes no target of these objects (Pod)" in page


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ("kind: Deployment\napiVersion: apps/v1", "discovery reads objects of kind EndpointSlice, "),
        ("kind: Pod\nmetadata: [", "line "),
        ("kind: Pod\nmetadata: 7", "metadata"),
        ('{"kind": "PodList", "items": [{"metadata": {"name": "x"}}]}', "makes no target"),
        ('__address__="a:1"\nx="1"', "http://a:1/metrics"),
    ],
)
async def test_what_is_pasted_without_a_job(labels: str, text: str) -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        page = (await site.client.post("/relabel", job="", rules="[]", labels=labels)).text
    assert text in page
    assert "one:9100" not in page


async def test_edited_rules_show_what_they_do_to_all_targets() -> None:
    async with site_of(CONFIG, {"node": TARGETS}) as site:
        page = (await site.client.post("/relabel", job="node", rules=KEEP_ALL)).text
        none = (await site.client.post("/relabel", job="node", rules="- action: nonsense")).text
        same = (
            await site.client.post("/relabel", job="node", rules=CONFIG.split("relabel_configs:")[1])
        ).text
    assert "2 added" in page
    assert "1 unchanged" in page
    assert "line 1, column 11: unknown relabel action" in none
    assert "No target of the job changes." in same


@pytest.mark.parametrize("text", HOSTILE[:-1])
async def test_hostile_texts_stay_texts(text: str) -> None:
    async with site_of("scrape_configs: [{job_name: a}]", {"a": [{"__address__": "x:1", "y": text}]}) as site:
        for rules in ("- {source_labels: [y], target_label: z}", text):
            page = (await site.client.post("/relabel", job=text, rules=rules, labels=text, target=text)).text
            shown = (await site.client.post("/relabel", job="a", rules=rules)).text
            for evil in ("<script>alert", "<img src=x", "</textarea></style>"):
                assert evil not in page
                assert evil not in shown


async def test_ten_thousand_targets_under_other_rules_make_a_small_page() -> None:
    async with site_of("scrape_configs: [{job_name: big}]", {"big": many(10_000)}) as site:
        rules = "- {source_labels: [__address__], regex: '10.0.0.*', action: drop}\n- {target_label: a, replacement: b}"
        response = await site.client.post("/relabel", job="big", rules=rules)
    assert "256 dropped" in response.text
    assert "9,744 changed" in response.text
    assert len(response.content) < 2_000_000


def test_differences_name_what_happens() -> None:
    now, then = (
        load_relabel_configs("[]"),
        load_relabel_configs("- {source_labels: [a], regex: x, action: drop}"),
    )
    base = {"__address__": "h:1", "__scrape_interval__": "1m", "__scrape_timeout__": "10s"}
    base |= dict.fromkeys(
        (
            "__scrape_native_histograms__",
            "__always_scrape_classic_histograms__",
            "__convert_classic_histograms_to_nhcb__",
        ),
        "false",
    )
    found = [base | {"a": "x"}, base | {"a": "y"}, {"a": "z"}]
    assert [one.verdict for one in differences(found, now, then)] == ["dropped", "unchanged", "unchanged"]
    assert [one.verdict for one in differences(found, then, now)] == ["added", "unchanged", "unchanged"]


LABELS = {"a": 'quote " and \\ back', "b": "", "utf8 name": "x", "c": "1\n2", "d": "a=b, c: d"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        ('a="1"', {"a": "1"}),
        ("a=1\n# note\n\nb: 2", {"a": "1", "b": "2"}),
        ('{"a": "1"}', {"a": "1"}),
        ('{a="1", b="x, y=z"}', {"a": "1", "b": "x, y=z"}),
        ("a=", {"a": ""}),
        ('__address__: "h:1",', {"__address__": "h:1"}),
    ],
)
def test_labels_are_read_as_pasted(text: str, labels: dict[str, str]) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize(
    ("text", "message"), [("a=1\nb", "line 2"), ('{"a": 1}', "line 1"), ('a="\\q"', "line 1")]
)
def test_what_is_no_label_is_said(text: str, message: str) -> None:
    with pytest.raises(LabelTextError, match=message):
        parse_labels(text)


def test_labels_survive_printing() -> None:
    labels = {name: value for name, value in LABELS.items() if " " not in name}
    assert parse_labels(print_labels(labels)) == labels


def test_rules_survive_printing() -> None:
    text = "- {source_labels: [a, b], regex: '(x):', action: drop}"
    rules = load_relabel_configs(text)
    assert "source_labels: [a, b]" in rules_text([one.rule for one in rules.compiled])
    again = load_relabel_configs(rules_text([one.rule for one in rules.compiled]))
    assert [one.rule.regex for one in again.compiled] == ["(x):"]


@pytest.mark.parametrize("labels", [{"__address__": "one:1", "__meta_zone": "here"}, {"__meta_zone": "away"}])
def test_the_copied_unit_test_passes(tmp_path: Path, labels: dict[str, str]) -> None:
    rules = load_relabel_configs(CONFIG.split("relabel_configs:")[1])
    path = tmp_path / "a.relabel.yml"
    path.write_text(unit_test([(labels, explain(labels, rules))], rules))
    file = read_tests(path)
    assert [file.run(case).passed for case in file.tests.cases] == [True]


async def test_metric_rules_work_on_the_last_page() -> None:
    config = """
scrape_configs:
  - job_name: node
    metric_relabel_configs:
      - {source_labels: [__name__], regex: go_.*, action: drop}
"""
    async with site_of(config, {"node": [{"__address__": "one:9100"}]}) as site:
        empty = await site.text("/relabel?job=node&stage=metric")
        site.loop("one:9100").intake.reader.feed(b'go_a 1\nup_b{x="<b>"} 2\nup_c 3\n')
        page = await site.text("/relabel?job=node&stage=metric")
        rules = "- {source_labels: [__name__], regex: 'up_(.)', target_label: __name__, replacement: down_$1}"
        edited = (await site.client.post("/relabel", job="node", stage="metric", rules=rules)).text
    assert "No series of the page changes." in empty
    for text in ("1 dropped", "2 unchanged", "__name__=&#34;go_a&#34;", "dropped by rule 1"):
        assert text in page, text
    for text in ("1 added", "2 changed", "up_b → down_b", "&lt;b&gt;"):
        assert text in edited, text
