"""dns_consul_file_http_sd.json: what DNS, Consul, files and HTTP endpoints become; how groups are written."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import httpx
import pytest
from dns.rdata import Rdata

from pyscrape.config import ConfigError, parse_config
from pyscrape.discovery.consul import ConsulDiscoverer, should_watch
from pyscrape.discovery.dns import DNSDiscoverer
from pyscrape.discovery.file import FileGroups, matching, read_files
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.http import HTTPDiscoverer
from pyscrape.discovery.network_settings import ConsulSDConfig, DNSSDConfig, HTTPSDConfig
from pyscrape.discovery.target_lists import TargetListError, changes, list_items, read_json, read_yaml
from pyscrape.model.settings import from_mapping
from pyscrape.net.ask import Asker
from pyscrape.net.settings import DEFAULT_HTTP
from tests.conformance.scrape_cases import cases_of

FILE = "dns_consul_file_http_sd.json"
Groups = dict[str, tuple[list[dict[str, str]], dict[str, str]]]


def no_empty(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value}


def by_source(groups: Sequence[TargetGroup]) -> Groups:
    return {
        group.source: (
            sorted((no_empty(t) for t in group.targets), key=sorted),
            no_empty(group.labels) if group.targets else {},
        )
        for group in groups or ()
    }


def expected(groups: Sequence[Mapping[str, Any]] | None, **texts: str) -> Groups:
    def fill(value: str) -> str:
        for name, text in texts.items():
            value = value.replace("{{" + name + "}}", text)
        return value

    return {
        fill(group["source"]): (
            sorted(({k: fill(v) for k, v in t.items() if v} for t in group["targets"]), key=sorted),
            {k: fill(v) for k, v in group["labels"].items() if v} if group["targets"] else {},
        )
        for group in groups or ()
        if group["source"]  # a group without a source says that nothing was found; here the update is empty
    }


def record(answer: Mapping[str, Any]) -> Rdata:
    kind = answer["type"]
    text = {
        "A": lambda: answer["address"],
        "AAAA": lambda: answer["address"],
        "SRV": lambda: f"0 0 {answer['port']} {answer['target']}",
        "MX": lambda: f"{answer['preference']} {answer['mx']}",
        "NS": lambda: answer["ns"],
        "TXT": lambda: f'"{answer["txt"][0]}"',
        "CNAME": lambda: answer["target"],
    }[kind]()
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)


@pytest.mark.parametrize("case", cases_of(FILE, "dns"))
async def test_dns(case: dict[str, Any]) -> None:
    from pyscrape.discovery.refresh import LookError

    async def find(name: str, kind: str) -> Sequence[Rdata]:
        response = case["response"]
        if "error" in response or response["rcode"] not in {"NOERROR", "NXDOMAIN"}:
            raise LookError("no server answers")
        return [record(answer) for answer in response["answers"]]

    discoverer = DNSDiscoverer(from_mapping(DNSSDConfig, case["sd_config"]), find)
    updates: list[Sequence[TargetGroup]] = []
    await discoverer.refresh(updates.append)
    assert by_source(updates[0] if updates else []) == expected(case.get("expected_groups") or [])


@pytest.mark.parametrize("case", cases_of(FILE, "http"))
async def test_http(case: dict[str, Any]) -> None:
    url = "http://endpoint.example:8080" + case.get("path", "/")
    responses = iter(case["responses"])
    seen: list[httpx.Request] = []
    current: dict[str, Any] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = {"Content-Type": current["content_type"]} if current.get("content_type") else {}
        return httpx.Response(current["status"], headers=headers, content=current["body"].encode())

    config = from_mapping(HTTPSDConfig, {"url": url, **case.get("sd_config", {})})
    discoverer = HTTPDiscoverer(config)
    discoverer._looker._asker._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))  # type: ignore[attr-defined]
    for response in responses:
        current.clear()
        current.update(response)
        updates: list[Sequence[TargetGroup]] = []
        before = dict(discoverer._known)
        await discoverer.refresh(updates.append)
        if "error" in response:
            assert response["error"] in discoverer.status.last_error
            assert not updates
            continue
        found = by_source([*before.values(), *(group for update in updates for group in update)])
        assert found == expected(response["expected_groups"], URL=url)
    for name, value in case.get("expect_request_headers", {}).items():
        assert seen[0].headers[name] == value


@pytest.mark.parametrize("case", cases_of(FILE, "file"))
def test_file(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / case["file_name"]
    pattern = str(tmp_path / case["files_glob"])
    files = FileGroups()
    known: dict[str, TargetGroup] = {}
    for step in case["steps"]:
        if "write" in step:
            path.write_text(step["write"])
        elif "append" in step:
            path.write_text(path.read_text() + step["append"])
        else:
            path.unlink()
        now = files.take(read_files(matching([pattern])))
        sent = {**known, **{group.source: group for group in changes(known, now)}}
        known = {group.source: group for group in now}
        assert by_source(list(sent.values())) == expected(step["expected_groups"] or [], FILE=str(path))


@pytest.mark.parametrize("case", cases_of(FILE, "consul"))
async def test_consul(case: dict[str, Any]) -> None:
    seen: dict[str, dict[str, str]] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        query = dict(request.url.params)
        seen.setdefault(path, query)
        for endpoint in case["endpoints"]:
            wanted = endpoint.get("query")
            if endpoint["path"] == path and (
                wanted is None or wanted == {k: v for k, v in query.items() if k != "index"}
            ):
                status = endpoint.get("status") or 200
                headers = endpoint.get("headers") or {}
                if "json" in endpoint:
                    return httpx.Response(status, headers=headers, json=endpoint["json"])
                return httpx.Response(status, headers=headers)
        raise AssertionError(f"not expected: {request.url}")

    config = from_mapping(ConsulSDConfig, {"server": "consul.example:8500", **case.get("sd_config", {})})
    token = [("X-Consul-Token", config.token.reveal())] if config.token else []
    asker = Asker(DEFAULT_HTTP, headers=token, transport=httpx.MockTransport(answer))
    discoverer = ConsulDiscoverer(config, asker)
    groups: dict[str, TargetGroup] = {}
    updates: list[Sequence[TargetGroup]] = []

    def update(changed: Sequence[TargetGroup]) -> None:
        updates.append(changed)
        groups.update({group.source: group for group in changed})

    task = asyncio.create_task(discoverer.run(update))
    want = expected(case.get("expected_groups"))
    for _ in range(200):
        await asyncio.sleep(0)
        if case.get("error") and discoverer.status.last_error:
            break
        if updates and by_source(list(groups.values())) == want:
            break
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if "error" in case:
        assert discoverer.status.last_error == case["error"]
        return
    assert by_source(list(groups.values())) == want
    for path, parameters in case.get("expect_requests", {}).items():
        for name, value in parameters.items():
            assert seen[path].get(name) == value


@pytest.mark.parametrize("case", cases_of(FILE, "consul_should_watch"))
def test_consul_should_watch(case: dict[str, Any]) -> None:
    config = from_mapping(ConsulSDConfig, case["sd_config"])
    assert should_watch(config, case["service"], case["service_tags"]) is case["watch"]


@pytest.mark.parametrize("case", cases_of(FILE, "sd_config"))
def test_sd_config(case: dict[str, Any]) -> None:
    import yaml

    given = yaml.safe_load(case["yaml"]) if "yaml" in case else case["sd_config"]
    text = yaml.safe_dump({"scrape_configs": [{"job_name": "j", case["sd"]: [given]}]})
    if not case["ok"]:
        with pytest.raises(ConfigError) as caught:
            parse_config(text)
        assert case.get("error", "") in str(caught.value)
        return
    (found,) = getattr(parse_config(text).scrape_configs[0], case["sd"])
    for name in ("server", "tag_separator", "scheme", "allow_stale"):
        if name in case.get("expected", {}):
            assert getattr(found, name) == case["expected"][name]


@pytest.mark.parametrize("case", [*cases_of(FILE, "group_json"), *cases_of(FILE, "group_yaml")])
def test_target_lists(case: dict[str, Any]) -> None:
    is_json = case["kind"] == "group_json"
    text = f"[{case['text']}]" if is_json else "- " + case["text"].replace("\n", "\n  ")
    read = read_json if is_json else read_yaml
    if not case["ok"]:
        with pytest.raises(TargetListError):
            read(text.encode())
        return
    ((targets, labels),) = read(text.encode())
    (group,) = case["expected_groups"]
    assert [{"__address__": target} for target in targets] == group["targets"]
    assert dict(labels) == group["labels"]


@pytest.mark.parametrize("case", cases_of(FILE, "group_to_json"))
def test_groups_as_json(case: dict[str, Any]) -> None:
    group = TargetGroup("", tuple(case["group"]["targets"]), case["group"]["labels"])
    assert list_items(group) == [json.loads(case["output"])]


@pytest.mark.parametrize("case", cases_of(FILE, "group_to_yaml"))
def test_groups_as_yaml(case: dict[str, Any]) -> None:
    """As static_configs stand in the printed configuration."""
    (item,) = list_items(TargetGroup("", tuple(case["group"]["targets"]), case["group"]["labels"]))
    config = parse_config(json.dumps({"scrape_configs": [{"job_name": "j", "static_configs": [item]}]}))
    lines = case["output"].splitlines()
    indented = "\n".join([f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])])
    assert f"  static_configs:\n{indented}\n" in config.to_yaml()
