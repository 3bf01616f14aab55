"""File, HTTP and static discovery beside the real Prometheus: the same targets after every scripted step.

A step changes a file, an endpoint's answer or nothing; some inputs are broken on purpose. Prometheus applies what it
finds in ticks of five seconds, so a comparison takes six. The suite makes a few, with several steps between them;
`PYSCRAPE_DISCOVERY_STEPS=60` makes sixty with one step between them.
"""

import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.helpers.processes import HOST, Process, fetch, free_port, prometheus, pyscrape

STEPS = int(os.environ.get("PYSCRAPE_DISCOVERY_STEPS", "3"))
STEPS_AT_ONCE = 3 if STEPS < 10 else 1
STEP_S = 6.0
# A change just after a look is found a second later and applied in the tick after that: six seconds if nothing is late.
LATE_S = 2.0
pytestmark = pytest.mark.timeout(60 + 2 * STEPS * STEP_S)
CONFIG = """\
global: {{scrape_interval: 1h}}
scrape_configs:
  - job_name: files
    file_sd_configs: [{{files: ['{folder}/*.json', '{folder}/*.yml'], refresh_interval: 1s}}]
    relabel_configs:
      - {{source_labels: [drop], regex: 'yes', action: drop}}
      - {{source_labels: [__meta_filepath], regex: '.*/', target_label: file, replacement: x}}
  - job_name: endpoint
    http_sd_configs: [{{url: 'http://{host}:{port}/targets', refresh_interval: 1s}}]
  - job_name: static
    static_configs: [{{targets: ['{host}:1', '{host}:2'], labels: {{kind: static}}}}]
"""


@dataclass
class Inputs:
    """What both servers discover from; `step` changes it at random, the seed makes it the same each time."""

    folder: Path
    dice: Random = field(default_factory=lambda: Random(10))
    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"[]"

    def groups(self) -> list[dict[str, object]]:
        pick = self.dice
        return [
            {
                "targets": [f"{HOST}:{pick.randint(1, 60)}" for _ in range(pick.randint(0, 4))],
                "labels": {"zone": pick.choice("abc"), "drop": pick.choice(["yes", "no", ""])},
            }
            for _ in range(pick.randint(0, 3))
        ]

    def step(self) -> str:
        """Change one input; the name of what was done."""
        actions = [
            self.write_json, self.write_json, self.write_yaml, self.rename, self.break_file, self.remove, self.empty,
            self.answer, self.answer, self.break_answer, self.fail, self.wrong_type, self.unknown_field,
            self.null_group, self.hide, self.odd_json, self.odd_type, self.no_label_name, self.swap_link,
        ]  # fmt: skip
        return self.dice.choice(actions)()

    def name(self, ending: str) -> Path:
        return self.folder / f"{self.dice.choice('pqr')}{ending}"

    def write_json(self) -> str:
        self.name(".json").write_text(json.dumps(self.groups()))
        return "wrote a JSON file"

    def write_yaml(self) -> str:
        lines = [
            f"- targets: {json.dumps(g['targets'])}\n  labels: {{zone: {g['labels']['zone']}}}\n"  # type: ignore[index]
            for g in self.groups()
        ]
        self.name(".yml").write_text("".join(lines))
        return "wrote a YAML file"

    def rename(self) -> str:
        new = self.folder / "new.tmp"
        new.write_text(json.dumps(self.groups()))
        new.rename(self.name(".json"))
        return "renamed a file into place"

    def break_file(self) -> str:
        self.name(".json").write_text("[{")
        return "broke a JSON file"

    def unknown_field(self) -> str:
        self.name(".json").write_text('[{"targets": ["a:1"], "label": {}}]')
        return "wrote an unknown field"

    def null_group(self) -> str:
        self.name(".yml").write_text("- targets: ['a:1']\n- null\n")
        return "wrote a null group"

    def hide(self) -> str:
        (self.folder / ".hidden.json").write_text(json.dumps(self.groups()))
        return "wrote a hidden file"

    def odd_json(self) -> str:
        self.name(".json").write_bytes(
            b'[{"Targets": [null, "%s:61"], "LABELS": {"zone": null, "odd": "\xff"}}]' % HOST.encode()
        )
        return "wrote JSON that only Go's decoder likes"

    def no_label_name(self) -> str:
        self.name(".json").write_text('[{"targets": ["%s:62"], "labels": {"": "x"}}]' % HOST)  # noqa: UP031  # braces
        return "wrote a label without a name"

    def swap_link(self) -> str:
        """As a ConfigMap is changed: files are links through a link to a folder."""
        version = self.folder.parent / f"v{len(list(self.folder.parent.glob('v*')))}"
        version.mkdir()
        (version / "linked.json").write_text(json.dumps(self.groups()))
        new = self.folder / "..new"
        new.symlink_to(version)
        new.rename(self.folder / "..data")
        link = self.folder / "linked.json"
        if not link.is_symlink():
            link.symlink_to("..data/linked.json")
        return "swapped a symbolic link"

    def odd_type(self) -> str:
        self.content_type = self.dice.choice(
            ["Application/JSON;charset=UTF-8", "application/json ; charset=utf-8", "application/json;"]
        )
        self.status, self.body = 200, json.dumps(self.groups()).encode()
        return f"answered with {self.content_type}"

    def remove(self) -> str:
        self.name(".json").unlink(missing_ok=True)
        return "removed a file"

    def empty(self) -> str:
        self.name(".yml").write_text("")
        return "emptied a file"

    def answer(self) -> str:
        self.status, self.content_type, self.body = (
            200,
            "application/json",
            json.dumps(self.groups()).encode(),
        )
        return "answered with other groups"

    def break_answer(self) -> str:
        self.status, self.content_type, self.body = 200, "application/json", b"[{]"
        return "answered with broken JSON"

    def fail(self) -> str:
        self.status, self.body = 503, b"no"
        return "answered with 503"

    def wrong_type(self) -> str:
        self.status, self.content_type, self.body = 200, "text/plain", b"[]"
        return "answered with text/plain"


@contextmanager
def endpoint(inputs: Inputs) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(inputs.status)
            self.send_header("Content-Type", inputs.content_type)
            self.send_header("Content-Length", str(len(inputs.body)))
            self.end_headers()
            self.wfile.write(inputs.body)

        def log_message(self, *args: object) -> None:
            """Nothing: the requests of two servers a second are of no interest."""

    server = http.server.ThreadingHTTPServer((HOST, free_port()), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def targets(server: Process) -> tuple[list[Any], list[Any]]:
    """Active and dropped targets, without what 3.14 adds to the discovered labels."""
    data = json.loads(fetch(server.url + "/api/v1/targets")[1])["data"]

    def discovered(target: dict[str, dict[str, str]]) -> dict[str, str]:
        return {
            k: v for k, v in target["discoveredLabels"].items() if not k.endswith(("histograms__", "nhcb__"))
        }

    active = [(t["scrapePool"], sorted(t["labels"].items()), t["scrapeUrl"]) for t in data["activeTargets"]]
    dropped = [(t["scrapePool"], sorted(discovered(t).items())) for t in data["droppedTargets"]]
    return sorted(active), sorted(dropped)


def test_the_same_targets_after_every_step(tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    folder.mkdir()
    inputs = Inputs(folder)
    inputs.write_json()
    inputs.answer()
    with endpoint(inputs) as port:
        configs = []
        for name in ("ours", "theirs"):
            (tmp_path / name).mkdir()
            config = tmp_path / name / "prometheus.yml"
            config.write_text(CONFIG.format(folder=folder, host=HOST, port=port))
            configs.append(config)
        with prometheus(configs[1]) as theirs, pyscrape(configs[0]) as ours:
            done = ["started"]
            for _ in range(STEPS):
                time.sleep(STEP_S)  # real programs on real clocks
                if targets(ours) != targets(theirs):
                    time.sleep(LATE_S)
                ours_now, theirs_now = targets(ours), targets(theirs)
                only = [[one for one in a if one not in b] for a, b in zip(ours_now, theirs_now, strict=True)]
                assert ours_now == theirs_now, (done, only)
                done += [inputs.step() for _ in range(STEPS_AT_ONCE)]
