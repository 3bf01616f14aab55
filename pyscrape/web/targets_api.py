"""`/api/v1/targets`, `scrape_pools`, `targets/metadata`, `metadata`, and what Prometheus does not show: failed
targets, and why targets were dropped."""

from collections import Counter
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit, urlunsplit

import orjson

from pyscrape.model.matcher import Matcher
from pyscrape.scrape.loop import Loop
from pyscrape.scrape.pool import Pool
from pyscrape.web.answers import Answer, ApiError, rows, success
from pyscrape.web.params import Params, format_time, go_int
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices

RULE_DEFAULTS = {"separator": ";", "regex": "(.*)", "replacement": "$1"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class TargetsApi:
    def __init__(self, services: AgentServices) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [
            Mount("/api/v1/scrape_pools", self.scrape_pools),
            Mount("/api/v1/scrape_pools/config", self.pool_config, place="thread"),
            Mount("/api/v1/targets", self.targets, place="thread"),
            Mount("/api/v1/targets/metadata", self.targets_metadata, place="thread"),
            Mount("/api/v1/targets/drops", self.drops, place="thread"),
            Mount("/api/v1/targets/relabel_steps", self.relabel_steps, place="thread"),
            Mount("/api/v1/metadata", self.metadata, place="thread"),
            Mount("/api/v1/discovery", self.discovery),
        ]

    def _pools(self, wanted: str = "") -> list[tuple[str, Pool]]:
        return sorted(
            (name, pool)
            for name, pool in list(self._services.pools.pools.items())
            if not wanted or name == wanted
        )

    def scrape_pools(self, call: Call) -> Answer:
        return success({"scrapePools": [name for name, _ in self._pools()]})

    def pool_config(self, call: Call) -> Answer:
        """The job of a pool as the configuration in force has it, defaults filled in."""
        name = call.params.first("scrapePool")
        if not name:
            raise ApiError.parameter("scrapePool", "scrapePool parameter is required")
        pool = self._services.pools.pools.get(name)
        if pool is None:
            raise ApiError("not_found", f'scrape pool not found: "{name}"')
        return success({"yaml": self._services.job_yaml(pool.job.config)})

    def targets(self, call: Call) -> Answer:
        state = call.params.first("state").lower()
        pools = self._pools(call.params.first("scrapePool"))
        active: list[object] = []
        dropped: list[object] = []
        failed: list[object] = []
        if state in {"", "any", "active"}:
            active = [self._active(name, loop) for name, pool in pools for loop in list(pool.loops.values())]
        with_dropped = state in {"", "any", "dropped"}
        if with_dropped:
            for name, pool in pools:
                dropped += [
                    {"discoveredLabels": dict(t.discovered), "scrapePool": name} for t in pool.dropped
                ]
                failed += [
                    {"discoveredLabels": dict(t.discovered), "scrapePool": name, "error": t.error}
                    for t in pool.failed
                ]
        counts = {name: pool.dropped_count for name, pool in self._pools()}
        return success(
            {
                "activeTargets": rows(active),
                "droppedTargets": rows(dropped),
                "droppedTargetCounts": counts if with_dropped else None,
                "failedTargets": failed,
            }
        )

    def _active(self, pool: str, loop: Loop) -> dict[str, object]:
        target, status = loop.target, loop.status
        return {
            "discoveredLabels": dict(target.discovered),
            "labels": dict(target.labels),
            "scrapePool": pool,
            "scrapeUrl": target.url,
            "globalUrl": self._global_url(target.url),
            "lastError": status.last_error,
            "lastScrape": format_time(status.last_scrape_s),
            "lastScrapeDuration": status.last_duration_s,
            "health": status.health,
            "scrapeInterval": str(target.interval),
            "scrapeTimeout": str(target.timeout),
            "reason": status.reason,
            "advice": status.advice,
            "samplesScraped": status.scraped,
        }

    def _global_url(self, url: str) -> str:
        """The URL as others reach it: a loopback host becomes this server's outside name."""
        parts = urlsplit(url)
        if parts.hostname not in LOOPBACK:
            return url
        outside = urlsplit(self._services.options.external_url)
        host = outside.hostname or parts.hostname or ""
        port = parts.port
        netloc = f"[{host}]" if ":" in host else host
        return urlunsplit(parts._replace(netloc=f"{netloc}:{port}" if port else netloc))

    def drops(self, call: Call) -> Answer:
        """How many targets each rule of each job dropped."""
        found = []
        for name, pool in self._pools(call.params.first("scrapePool")):
            rules = pool.job.config.relabel_configs
            for (index, reason), count in Counter((t.rule_index, t.reason) for t in pool.dropped).items():
                rule = rules[index] if index is not None else None
                place = {"line": rule.line, "file": rule.file} if rule is not None else {}
                found.append(
                    {"scrapePool": name, "ruleIndex": index, "reason": reason, "count": count, **place}
                )
        return success(found)

    def relabel_steps(self, call: Call) -> Answer:
        """What each rule of a job makes of the given labels; ends at the first drop."""
        from pyscrape.relabel.explanation import explain, rule_fields

        name = call.params.first("scrapePool")
        if not name:
            raise ApiError.parameter("scrapePool", "scrapePool parameter is required")
        try:
            labels = orjson.loads(call.params.first("labels") or "null")
        except orjson.JSONDecodeError as error:
            raise ApiError.parameter("labels", error) from error
        if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
            raise ApiError.parameter("labels", "a JSON object of label names and values is required")
        pool = self._services.pools.pools.get(name)
        if pool is None:
            raise ApiError("not_found", f'scrape pool not found: "{name}"')
        steps = explain(labels, pool.job.config.relabel_configs).steps
        return success(
            {
                "steps": [
                    {
                        "rule": {**RULE_DEFAULTS, **rule_fields(step.rule)},
                        "output": dict(step.after or {}),
                        "keep": step.after is not None,
                        "outcome": step.outcome,
                        "reason": step.reason,
                    }
                    for step in steps
                ]
            }
        )

    def discovery(self, call: Call) -> Answer:
        """How each discovery is doing."""
        return success(
            [
                {
                    "jobs": list(jobs),
                    "kind": status.kind,
                    "state": status.state,
                    "lastSuccess": format_time(status.last_success_s),
                    "lastAttempt": format_time(status.last_attempt_s),
                    "lastError": status.last_error,
                    "advice": status.advice,
                    "targets": targets,
                    "details": status.details,
                }
                for jobs, status, targets in self._services.discovery.status()
            ]
        )

    def targets_metadata(self, call: Call) -> Answer:
        limit = _count(call.params, "limit")
        metric = call.params.first("metric")
        matchers = _matchers(call.params.first("match_target"))
        shown: list[dict[str, object]] = []
        for _, pool in self._pools():
            for loop in list(pool.loops.values()):
                labels = loop.target.labels
                if not all(m.matches(labels.get(m.name, "")) for m in matchers):
                    continue
                if limit >= 0 and len(shown) >= limit:
                    return success(shown)  # a target is shown whole, as in Prometheus
                for family, known in loop.metadata.families().items():
                    if not metric or family == metric:
                        named = {} if metric else {"metric": family}
                        described = {"type": known.type, "help": known.help, "unit": known.unit}
                        shown.append({"target": dict(labels), **named, **described})
        return success(shown)

    def metadata(self, call: Call) -> Answer:
        limit = _count(call.params, "limit")
        each = _count(call.params, "limit_per_metric")
        metric = call.params.first("metric")
        found: dict[str, dict[tuple[str, str, str], None]] = {}
        for loop in self._loops():
            for family, known in loop.metadata.families().items():
                if metric and family != metric:
                    continue
                found.setdefault(family, {})[(known.type, known.help, known.unit)] = None
        names = list(found)[: limit if limit >= 0 else None]
        return success(
            {
                name: [
                    {"type": kind, "help": text, "unit": unit}
                    for kind, text, unit in list(found[name])[: each if each > 0 else None]
                ]
                for name in names
            }
        )

    def _loops(self) -> Iterable[Loop]:
        return (loop for _, pool in self._pools() for loop in list(pool.loops.values()))


def _matchers(selector: str) -> Sequence[Matcher]:
    """The matchers of `match_target`, none where it is not given; the parser is imported by who needs it."""
    if not selector:
        return ()
    from pyscrape.promql import QueryParseError, parse_metric_selector

    try:
        return parse_metric_selector(selector)
    except QueryParseError as error:
        raise ApiError.parameter("match_target", error) from error


def _count(params: Params, name: str) -> int:
    """A whole number, -1 where it is not given."""
    text = params.first(name)
    if not text:
        return -1
    try:
        return go_int(text)
    except ValueError:
        raise ApiError("bad_data", f"{name} must be a number") from None
