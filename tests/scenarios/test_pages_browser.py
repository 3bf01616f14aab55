"""The pages in a real browser over the running program: completion, graphs, links, updates, other rules, no intruders.

Needs Playwright and Chromium (Debian's); skipped in words without them. Nothing outside of loopback is asked.
"""

import http.server
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.helpers.processes import HOST, Process, free_port, pyscrape, wait_for

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
EVIL = "<script>window.broken=1</script><img src=x onerror=window.broken=1>"
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    static_configs:
      - {{targets: ['{host}:{port}'], labels: {{zone: 'east', evil: '{evil}'}}}}
      - {{targets: ['{host}:1'], labels: {{zone: 'away'}}}}
      - {{targets: ['{host}:2'], labels: {{zone: 'away'}}}}
    relabel_configs:
      - {{source_labels: [zone], regex: away, action: drop}}
"""
TUTORIAL_QUERY = "sum by (job) (rate(requests_total[10s]))"


class Shop(http.server.BaseHTTPRequestHandler):
    """A target that counts its scrapes and can be made to fail."""

    broken = False
    counter = itertools.count(0, 10)

    def do_GET(self) -> None:
        help_text = f"# HELP requests_total {EVIL}\n# TYPE requests_total counter\n"
        body = f'{help_text}requests_total{{path="{EVIL}"}} {next(Shop.counter)}\n'.encode()
        self.send_response(503 if Shop.broken else 200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the log of a test's page is of no use."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("pages")
    target = http.server.ThreadingHTTPServer((HOST, free_port()), Shop)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(host=HOST, port=target.server_address[1], evil=EVIL))
    with pyscrape(config) as process:
        wait_for("some samples", lambda: process.query("count_over_time(requests_total[1m]) > 3"))
        yield process
    target.shutdown()
    target.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, server: Process) -> Iterator[Any]:
    """A page that fails the test for any script error, refused intruder or request to elsewhere."""
    context = browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if "Content Security Policy" in m.text else None)
    page.on(
        "request", lambda r: faults.append(r.url) if not r.url.startswith((server.url, "data:")) else None
    )
    yield page
    assert page.evaluate("window.broken") is None
    context.close()
    assert faults == []


def lines(page: Any) -> list[str]:
    page.wait_for_selector(".plot canvas")
    found: list[str] = page.locator(".legend .entry").all_inner_texts()
    return found


def fields(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_a_query_from_completion_to_a_link(page: Any) -> None:
    page.goto("/query")
    page.locator(".cm-content").click()
    page.keyboard.type("sum by (job) (ra", delay=20)
    option = page.locator(".cm-tooltip-autocomplete li", has_text="rate").filter(has_not_text="irate").first
    option.click()
    page.keyboard.type("requests_total[10s]", delay=5)
    page.keyboard.press("Escape")
    assert page.locator(".cm-content").inner_text().startswith("sum by (job) (rate(requests_total[10s])")
    page.get_by_role("button", name="Run", exact=True).click()
    assert lines(page) == ['{job="shop"}']
    assert "samples read" in page.locator(".stats").inner_text()
    before = fields(page)
    assert before["g0.expr"] == TUTORIAL_QUERY
    page.reload()
    assert lines(page) == ['{job="shop"}']
    assert fields(page) == before
    box = page.locator(".plot .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 90, steps=4)
    page.mouse.up()
    page.wait_for_url(lambda url: "end_input" in url)
    assert fields(page)["g0.range_input"].startswith(("14m", "15m"))
    page.wait_for_selector(".plot canvas, .output p")
    page.go_back()
    assert fields(page) == before


def test_tables_stacks_and_several_panels(page: Any) -> None:
    page.goto("/graph?g0.expr=up&g0.tab=1&g1.expr=requests_total&g1.tab=0&g1.stacked=1&g1.range_input=1m")
    assert page.url.startswith(page.url.partition("/graph")[0]) and "/query?" in page.url
    page.wait_for_selector("table.result")
    assert EVIL in page.locator("table.result").inner_text()
    assert EVIL in lines(page)[0]
    assert page.get_by_role("button", name="Stacked").get_attribute("aria-pressed") == "true"
    entry = page.locator(".legend .entry")
    entry.click(modifiers=["Control"])
    assert entry.get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Add panel").click()
    assert page.locator(".panel").count() == 3
    page.get_by_role("button", name="Metrics").first.click()
    page.get_by_role("searchbox").fill("requests")
    assert EVIL in page.locator("dialog .choices").inner_text()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="History").first.click()
    # Queries of a link have run in this browser too.
    assert sorted(page.locator("dialog .choices code").all_inner_texts()) == ["requests_total", "up"]
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Remove panel").last.click()
    assert page.locator(".panel").count() == 2


def test_a_very_long_value_is_cut_where_it_is_shown(page: Any) -> None:
    long = f"label_replace(up, 'long', '{'$0' * 10}', 'evil', '.*')"
    page.goto(f"/query?g0.tab=1&g0.expr={quote(long)}")
    page.locator("table.result", has_text="more characters").wait_for()
    assert len(page.locator("table.result").inner_text()) < 1200


def test_a_bad_query_shows_its_place(page: Any) -> None:
    page.goto(f"/query?g0.expr={quote('sum(up) + * 2')}")
    error = page.locator(".notice.bad")
    error.wait_for()
    assert "parse error" in error.inner_text()
    line, caret = error.locator("pre").inner_text().split("\n")[:2]
    assert line == "sum(up) + * 2"
    assert caret.index("^") == line.index("*")
    page.wait_for_selector(".cm-lintRange-error, .cm-lintPoint-error")


def test_the_plan_of_a_query(page: Any) -> None:
    page.goto(f"/query?g0.expr={quote(TUTORIAL_QUERY)}&g0.tab=explain&g0.range_input=1m")
    rows = page.locator("table.plan tbody tr")
    rows.nth(2).wait_for()
    assert [row.split("\n")[0] for row in rows.all_inner_texts()] == [
        "sum by (job) (…)",
        "rate(…)",
        "requests_total[10s]",
    ]
    assert "Series read" in page.locator(".statistics").inner_text()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        bars = page.locator("table.plan .share")
        assert max(bar["width"] for bar in (bars.nth(n).bounding_box() for n in range(bars.count()))) > 50
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("button", name="As a table").click()
    page.wait_for_url(lambda url: "g0.plan_of=instant" in url)
    page.get_by_label("Evaluate at").wait_for()
    page.get_by_role("button", name="Graph", exact=True).click()
    assert lines(page) == ['{job="shop"}']
    page.go_back()
    rows.first.wait_for()
    assert fields(page)["g0.tab"] == "explain"


def test_a_pasted_pod_is_explained_without_a_job(page: Any) -> None:
    page.goto("/relabel?job=")
    page.locator("textarea[name=labels]").fill(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n"
        f"spec: {{containers: [{{name: '{EVIL}', ports: [{{containerPort: 80}}]}}]}}\nstatus: {{podIP: 127.0.0.9}}\n"
    )
    live = page.locator("#live")
    live.get_by_text("http://127.0.0.9:80/metrics").wait_for()
    page.locator("textarea[name=rules]").fill(
        "- {source_labels: [__meta_kubernetes_pod_container_name], target_label: container}"
    )
    live.locator(".label", has_text=EVIL).first.wait_for()


def test_the_status_page_tells_what_happened(page: Any) -> None:
    page.goto("/status")
    assert "Server is ready to receive web requests." in page.locator("#service_log").inner_text()
    assert page.get_by_role("button", name="Copy", exact=True).is_visible()


def test_a_target_that_goes_down_is_shown(page: Any) -> None:
    page.goto("/targets")
    page.locator(".badge.up", has_text="1 / 1 up").wait_for()
    Shop.broken = True
    try:
        page.locator(".notice.bad", has_text="503").wait_for(timeout=9000)
        assert "0 / 1 up" in page.locator("summary").inner_text()
        page.get_by_label("State").select_option("up")
        page.locator("#live", has_text="No target matches").wait_for()
        assert fields(page) == {"state": "up"}
    finally:
        Shop.broken = False


def test_a_dropped_target_names_the_rule_and_other_rules_show_what_they_do(page: Any) -> None:
    page.goto("/service-discovery")
    page.locator("a.badge.dropped").click()
    page.get_by_role("link", name="Explain").first.click()
    live = page.locator("#live")
    assert "dropped by rule 1" in live.inner_text()
    assert "which matches `away`" in live.inner_text()
    page.locator("textarea[name=rules]").fill("- {target_label: zone, replacement: west}")
    page.locator("#what-if").wait_for()
    shown = page.locator("#what-if").inner_text()
    assert "2 added" in shown
    assert "1 changed" in shown
    assert EVIL in shown
    page.locator("textarea[name=rules]").fill("- {action: dorp}")
    live.get_by_text("unknown relabel action").wait_for()


def test_metric_rules_show_what_they_do_to_the_last_page(page: Any) -> None:
    page.goto("/relabel?job=shop&stage=metric")
    page.get_by_text("No series of the page changes.").wait_for()
    page.locator("textarea[name=rules]").fill(
        "- {source_labels: [__name__], regex: requests.*, action: drop}"
    )
    page.locator("#what-if", has_text="1 dropped").wait_for()
    assert "requests_total" in page.locator("#what-if").inner_text()


def test_pages_work_without_scripts(browser: Any, server: Process) -> None:
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    for path, text in (
        ("/targets", "1 up"),
        ("/status", "Bytes a sample"),
        ("/service-discovery", "2 dropped"),
    ):
        page.goto(path)
        assert text in page.locator("main").inner_text()
    page.goto("/targets")
    page.get_by_role("searchbox").fill("nobody")
    page.get_by_role("button", name="Apply").click()
    assert "No target matches" in page.locator("main").inner_text()
    context.close()


PATHS = (
    "/targets",
    "/service-discovery",
    "/status",
    "/relabel?job=shop",
    "/query?g0.expr=up&g1.expr=up&g1.tab=1",
    "/query?g0.expr=sum(up)&g0.tab=explain",
)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_no_page_is_wider_than_the_window_and_axe_finds_nothing_serious(
    browser: Any, server: Process, scheme: str, width: int
) -> None:
    axe = Path(str(files("pyscrape.web"))) / "ui" / "node_modules" / "axe-core" / "axe.min.js"
    context = browser.new_context(
        base_url=server.url, viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    page = context.new_page()
    serious: list[object] = []
    for path in PATHS:
        page.goto(path)
        page.wait_for_selector(".result, .plan" if path.startswith("/query") else "main h1")
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), path
        if axe.exists():
            page.evaluate(axe.read_text())
            found = page.evaluate("axe.run()")["violations"]
            serious += [
                (path, one["id"], [node["html"][:200] for node in one["nodes"][:3]])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
    context.close()
    assert serious == []
    if not axe.exists():
        pytest.skip("axe-core is not installed (npm ci in pyscrape/web/ui); widths were checked")


def test_the_theme_is_remembered(page: Any) -> None:
    page.goto("/targets")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(colour) != before
    page.goto("/status")
    assert page.evaluate(colour) != before


def test_every_page_comes_soon(server: Process) -> None:
    import urllib.request

    for path in PATHS:
        begin = time.perf_counter()
        with urllib.request.urlopen(server.url + path) as response:
            assert response.status == 200
            response.read()
        assert time.perf_counter() - begin < 1.0, path
