"""The pages in process: what they show, that texts from outside stay texts, and that they stay small."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pyscrape.model.problems import Problem
from pyscrape.web.pages.assets import MEDIA_TYPES, asset, asset_path
from pyscrape.web.pages.search import Division, cuts, wanted
from pyscrape.web.pages.shape import ago, cut, label_id, size, took
from pyscrape.web.pages.texts import TEXTS
from pyscrape.web.params import Params
from pyscrape.web.services import LogEntry
from tests.helpers.pages import Site, site_of
from tests.helpers.web_client import NOW_S, client_of, make_services, store_with

CONFIG = """
scrape_configs:
  - job_name: node
    relabel_configs:
      - {source_labels: [__meta_zone], regex: away, action: drop}
      - {source_labels: [__meta_zone], target_label: zone}
      - {source_labels: [__meta_broken], regex: 'yes', target_label: __address__, replacement: a/b}
"""
TARGETS = (
    {"__address__": "one:9100", "__meta_zone": "here"},
    {"__address__": "two:9100", "__meta_zone": "away"},
    {"__address__": "three:9100", "__meta_zone": "here", "__meta_broken": "yes"},
)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnirts\u2066",
    "</textarea></style></title>",
    "javascript:alert(1)",
    "\x00\x1b[31m\ud7ff",
    "x" * 65_536,
)


@asynccontextmanager
async def node_site(**options: Any) -> AsyncIterator[Site]:
    async with site_of(CONFIG, {"node": TARGETS}, **options) as site:
        yield site


async def test_targets_show_their_state() -> None:
    async with node_site() as site:
        site.loop("one:9100").status.health = "down"
        site.loop("one:9100").status.last_error = "connection refused"
        site.loop("one:9100").status.reason = "refused"
        site.loop("one:9100").status.advice = "is it running?"
        page = await site.text("/targets")
    for text in (
        "http://one:9100/metrics",
        "connection refused",
        "refused",
        "is it running?",
        "0 / 1 up",
        "1 down",
    ):
        assert text in page, text
    assert "two:9100" not in page
    assert "1 could not be built" in page


async def test_discovery_names_the_rule() -> None:
    async with node_site() as site:
        page = await site.text("/service-discovery")
    for text in (
        "3 found",
        "1 active",
        "1 dropped",
        "1 failed",
        "rule 1",
        "drop [__meta_zone]",
        "&#34;a/b&#34;",
    ):
        assert text in page, text


@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        ("q=one:", ["one:9100"], ["two:9100"]),
        ("q=zone=here", ["one:9100"], ["two:9100"]),
        ("state=dropped", ["two:9100"], ["one:9100"]),
        ("state=failed", ["three:9100"], ["two:9100"]),
        ('q={__meta_zone="away"}', ["two:9100"], ["three:9100"]),
        ("q={nonsense", ["no selector"], ["one:9100"]),
        ("q=nobody", ["No target matches"], ["one:9100"]),
        ("job=node&page=99", ["one:9100"], []),
        ("page=x&job=other", ["No target matches"], ["one:9100"]),
    ],
)
async def test_filters_of_discovery(query: str, there: list[str], absent: list[str]) -> None:
    async with node_site() as site:
        page = await site.text(f"/service-discovery?{query}")
    shown = page[page.index('id="live"') :]
    assert all(text in shown for text in there)
    assert not any(text in shown for text in absent)


async def test_what_names_a_target_stands_before_the_fold() -> None:
    found = {"__address__": "one:80", "__meta_docker_container_name": "web", "team": "shop"}
    found |= {f"__meta_docker_container_label_{n}": "x" for n in range(9)}
    async with site_of(CONFIG, {"node": [found]}) as site:
        page = await site.text("/service-discovery")
        searched = await site.text("/service-discovery?q=label_3")
    before, fold, rest = page.partition('<summary class="small">')
    assert fold
    assert all(f"<b>{name}=" in before for name in ("__address__", "__meta_docker_container_name", "team"))
    assert "label_3" in rest
    assert "label_3" not in before
    assert "<b>__meta_docker_container_label_3=" in searched
    assert fold not in searched


@pytest.mark.parametrize(
    ("path", "texts", "absent"),
    [
        ("/targets", ['<span class="badge">1 target</span>'], "match the filter"),
        ("/targets?q=one", ["1 of 1 match the filter"], "0 of 1"),
        ("/targets?q=nobody", ["0 of 1 match the filter"], "1 of 1"),
        ("/service-discovery", ["3 found"], "match the filter"),
        ("/service-discovery?q=here", ["3 found", "2 match the filter"], "3 match"),
        ("/service-discovery?state=dropped", ["3 found", "1 match the filter"], "3 match"),
    ],
)
async def test_a_filter_says_how_many_it_leaves(path: str, texts: list[str], absent: str) -> None:
    async with node_site() as site:
        page = await site.text(path)
    assert all(text in page for text in texts)
    assert absent not in page


async def test_status_shows_all_parts() -> None:
    services = make_services(
        store_with({"up job=a": lambda k: 1.0}),
        notes=lambda: ("remote_read is not supported",),
        problems=lambda: (
            Problem("warning", "no-targets", "no targets here", line=7, column=3, hint="<add>"),
        ),
    )
    async with client_of(services) as client:
        page = (await client.get("/status")).text
    for text in (
        "remote_read is not supported",
        "query.timeout",
        "global: {}",
        "3.14.0",
        "Bytes a sample",
        "7:3",
        "no targets here",
        "&lt;add&gt;",
        "job=a",
    ):
        assert text in page, text


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/targets", ["Last scrape", "Duration", "Interval", "Samples"]),
        ("/service-discovery", ["Discovered labels", "Target labels"]),
        ("/status", ["Behind by", "Shards", "Waiting", "Sent", "Failed", "Dropped"]),
    ],
)
async def test_values_have_their_names_where_a_table_has_no_room_for_a_head(
    path: str, names: list[str]
) -> None:
    fields = ("lagSeconds", "shards", "minShards", "maxShards", "pendingSamples", "sentSamples")
    endpoint: dict[str, object] = dict.fromkeys((*fields, "failedSamples", "droppedSamples"), 1)
    endpoint |= {"name": "far", "url": "http://far", "state": "ok", "lastError": ""}
    async with node_site(remote_write=lambda: [endpoint]) as site:
        page = await site.text(path)
    found = re.findall(r'data-name="([^"]+)"', page)
    assert list(dict.fromkeys(found)) == names


async def test_findings_stand_beside_their_lines() -> None:
    config = "scrape_configs:\n- job_name: a\n  scheme: http\n- job_name: b\n  metrics_path: /x\n"
    problems = (
        Problem("warning", "w", "of b", path="scrape_configs[7].metrics_path", job="b"),
        Problem("info", "i", "around a", path="scrape_configs[0].basic_auth.username", job="a"),
        Problem("info", "i", "of a job that is gone", path="scrape_configs[0]", job="gone"),
        Problem("info", "i", "nowhere", path="storage"),
    )
    services = make_services(config_yaml=lambda: config, problems=lambda: problems)
    async with client_of(services) as client:
        page = (await client.get("/status")).text
    shown = page[page.index('id="config-text"') :]
    assert re.findall(r"<pre>([^<]*)</pre>", shown[: shown.index("</section>")]) == [
        "scrape_configs:\n- job_name: a",
        "  scheme: http\n- job_name: b\n  metrics_path: /x",
        "",
    ]
    assert re.findall(r"badge[^>]*>\w+</span> ([^<]*)</div>", shown) == ["around a", "of b"]
    assert all(f"<td>{problem.message}" in page for problem in problems)


async def test_the_service_log_is_shown() -> None:
    entries = [
        LogEntry(NOW_S - 3, "warn", "scrape", "job a: scrape failed <b>", {"err": "x" * 900}),
        *(LogEntry(NOW_S - 60, "info", "server", f"older {n}") for n in range(60)),
    ]
    async with client_of(make_services(log=lambda: entries)) as client:
        page = (await client.get("/status")).text
        told = await client.data("/api/v1/status/log")
        of_a_part = await client.data("/api/v1/status/log", part="scrape")
    for text in (
        "3.0s ago",
        "scrape failed &lt;b&gt;",
        "older 48<",
        "42 earlier entries",
        "11 more, as JSON",
        "400 more characters",
    ):
        assert text in page, text
    assert "older 49<" not in page
    assert len(told["entries"]) == 61
    assert of_a_part["entries"] == [
        {
            "time": "2023-11-14T22:13:17Z",
            "level": "warn",
            "part": "scrape",
            "message": "job a: scrape failed <b>",
            "fields": {"err": "x" * 900},
        }
    ]


async def test_notifications_stand_on_every_page() -> None:
    services = make_services()
    services.notifications.add("Configuration reload has failed.")
    async with client_of(services) as client:
        for path in ("/targets", "/query", "/status", "/relabel", "/service-discovery"):
            assert "Configuration reload has failed." in (await client.get(path)).text


def test_no_text_is_hidden_by_a_method() -> None:
    assert not [name for name in TEXTS if hasattr(dict, name)]


@pytest.mark.parametrize(
    ("path", "section"), [("/config", "config"), ("/flags", "flags"), ("/tsdb-status", "cardinality")]
)
async def test_names_of_prometheus_lead_to_the_section(path: str, section: str) -> None:
    async with client_of(make_services(prefix="/p")) as client:
        assert (await client.get(f"/p{path}")).headers["location"] == f"/p/status#{section}"


@pytest.mark.parametrize("path", ["/targets", "/service-discovery", "/status"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_texts_stay_texts(path: str, text: str) -> None:
    targets = [{"__address__": "one:9100", "x": text, "__meta_y": text, "__param_z": text}]
    async with site_of("scrape_configs: [{job_name: '<b id=evil>'}]", {"<b id=evil>": targets}) as site:
        site.loop("one:9100").status.last_error = text
        site.loop("one:9100").status.advice = text
        response = await site.client.get(path, q=text[:100] if path == "/targets" else "")
        page = response.text
    assert response.status_code == 200
    assert len(page) < 60_000
    for evil in ("<script>alert", "<img src=x", "<b id=evil>", "</textarea>"):
        assert evil not in page, evil
    assert not re.search(r'href="javascript:', page)
    assert not re.search(r"\son\w+=\"", page)
    shown = page[page.index("<main") :].replace(
        f'value="{text}"', ""
    )  # the reader's own filter stays as it is
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    assert "<style" not in page
    assert "style=" not in page


@pytest.mark.parametrize("path", ["/targets", "/service-discovery", "/status", "/"])
async def test_every_link_has_the_prefix(path: str) -> None:
    async with node_site(prefix="/deep/er") as site:
        response = await site.client.get(f"/deep/er{path}")
    if response.status_code == 302:
        assert response.headers["location"].startswith("/deep/er/")
        return
    links = re.findall(r'(?:href|src|action)="([^"]*)"', response.text)
    assert links
    own = [link for link in links if not link.startswith(("?", "#", "http://one:9100"))]
    assert all(link.startswith("/deep/er/") for link in own)


async def test_the_policy_lets_nothing_else_in() -> None:
    async with client_of(make_services()) as client:
        first, second = (await client.get("/targets")).headers, (await client.get("/targets")).headers
    policy = first["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy != second["content-security-policy"]
    assert first["x-content-type-options"] == "nosniff"


async def test_static_files_are_kept_and_packed() -> None:
    async with client_of(make_services()) as client:
        path = asset_path("app.css")
        packed = await client.http.get(path, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == asset("app.css").plain
        assert "immutable" in packed.headers["cache-control"]
        again = await client.http.get(path, headers={"If-None-Match": packed.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        stale = await client.http.get("/static/0/app.css", headers={"Accept-Encoding": "identity"})
        assert (stale.content, stale.headers["cache-control"]) == (packed.content, "no-cache")
        for name in ("none.css", "..%2fapp.py", "LICENSE", "app.py"):
            assert (await client.get(f"/static/0/{name}")).status_code == 404


def many(count: int) -> list[Mapping[str, str]]:
    return [
        {"__address__": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}:9100", "zone": "here"}
        | {f"__meta_kubernetes_pod_label_{k}": f"value-{n}-{k}" for k in range(20)}
        for n in range(count)
    ]


async def test_ten_thousand_targets_make_small_pages() -> None:
    async with site_of("scrape_configs: [{job_name: big}]", {"big": many(10_000)}) as site:
        for path in (
            "/targets",
            "/targets?q=10.0.3",
            "/service-discovery",
            "/service-discovery?job=big&page=7",
        ):
            response = await site.client.http.get(path)
            assert response.status_code == 200
            assert "10,000" in response.text
            assert len(response.content) < 2_000_000


def test_numbers_as_people_read_them() -> None:
    assert [ago(s) for s in (None, -1, 0.04, 59.9, 60, 3600, 200_000)] == [
        "", "0.0s", "0.0s", "59.9s", "1m 0s", "1h 0m", "2d 7h",
    ]  # fmt: skip
    assert (took(0.5), took(1.25), size(1023), size(1 << 20)) == ("500.0ms", "1.25s", "1023 B", "1.0 MiB")
    assert cut("a" * 600).startswith("a" * 500 + "… (100 more")


def test_label_ids_do_not_depend_on_order() -> None:
    assert label_id({"a": "1", "b": "2"}) == label_id({"b": "2", "a": "1"}) != label_id({"a": "1b", "": "2"})


@pytest.mark.parametrize(
    ("weights", "starts"),
    [([], [0]), ([1] * 250, [0, 100, 200]), ([10**9] * 3, [0, 1, 2]), ([500_000, 500_000, 1], [0, 1])],
)
def test_pages_are_cut_by_rows_and_weight(weights: list[int], starts: list[int]) -> None:
    assert cuts(weights) == starts


@pytest.mark.parametrize(
    ("query", "lists", "parts", "page"),
    [
        ([], [500, 500], [(0, 30), (0, 30)], (1, 1)),
        ([], [10, 500], [(0, 10), (0, 30)], (1, 1)),
        (
            [],
            [500] * 9,
            [(0, 8)] * 7 + [(0, 4), (0, 0)],
            (1, 1),
        ),  # the least that a job has, while there is room
        ([], [250], [(0, 100)], (1, 3)),
        ([("page", "3")], [250], [(200, 250)], (3, 3)),
        ([("page", "9")], [250], [(200, 250)], (3, 3)),
        ([("page", "2"), ("job", "b")], [500, 150], [(100, 150)], (2, 2)),
        ([("job", "none")], [500], [], (1, 1)),
        ([], [0], [(0, 0)], (1, 1)),
    ],
)
def test_jobs_share_a_page(
    query: list[tuple[str, str]], lists: list[int], parts: list[tuple[int, int]], page: tuple[int, int]
) -> None:
    pools: list[tuple[str, Any]] = [("abcdefghi"[n], size) for n, size in enumerate(lists)]
    division = Division(wanted(Params(query)), pools, rows=60, least=8)
    assert [division.part(range(size), lambda _: 1) for _, size in division.jobs] == parts  # type: ignore[call-overload]
    assert (division.page, division.pages) == page


def test_heavy_rows_of_several_jobs_share_the_weight_of_a_page() -> None:
    pools: list[tuple[str, Any]] = [("a", None), ("b", None)]
    division = Division(wanted(Params([])), pools, rows=60, least=8)
    assert [division.part(range(50), lambda _: 100_000) for _ in pools] == [(0, 4), (0, 4)]


def test_a_filter_keeps_itself_in_links() -> None:
    want = wanted(Params([("q", "a&b"), ("scrapePool", "x"), ("page", "3")]))
    assert want.link(page=4) == "q=a%26b&job=x&page=4"
    assert want.link(page=1, job="") == "q=a%26b"


def test_media_types_cover_the_static_files() -> None:
    from importlib.resources import files

    names = [one.name for one in (files("pyscrape.web") / "static").iterdir()]
    assert names
    assert all(name.rpartition(".")[2] in MEDIA_TYPES for name in names)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/p/query"),
        ("/graph", "/p/query"),
        (
            "/graph?g0.expr=rate(up%5B5m%5D)&g0.tab=0&x=a%26b",
            "/p/query?g0.expr=rate%28up%5B5m%5D%29&g0.tab=0&x=a%26b",
        ),
    ],
)
async def test_old_links_lead_to_the_query_page(path: str, location: str) -> None:
    async with client_of(make_services(prefix="/p")) as client:
        assert (await client.http.get(f"/p{path}")).headers["location"] == location


async def test_the_first_load_is_small() -> None:
    async with client_of(make_services()) as client:
        page = (await client.get("/query")).text
        links = re.findall(r'(?:href|src)="(/static/[^"]*)"', page)
        nonce = re.search(r'data-nonce="([^"]+)"', page)
        again = (await client.get("/query")).text
        assert nonce is not None
        assert nonce[1] not in again
    assert {link.rpartition("/")[2] for link in links} >= {"query.js", "query.css", "app.css", "page.js"}
    total = sum(len(asset(link.rpartition("/")[2]).packed) for link in set(links))
    assert total + len(page) < 250_000
