"""What /metrics says of discoveries."""

import asyncio

from pyscrape.app.discovery_metrics import discovery_families
from pyscrape.app.metrics import OwnMetrics
from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup, UpdateGroups
from pyscrape.discovery.manager import DiscoveryManager, WantedJob
from tests.helpers.virtual_loop import virtually


class Quiet:
    def __init__(self, kind: str) -> None:
        self.status = DiscoveryStatus(kind)

    async def run(self, update: UpdateGroups) -> None:
        self.update = update
        update([])


@virtually
async def test_all_kinds_together() -> None:
    made: dict[object, Quiet] = {}

    def make(config: object) -> Quiet:
        if config == "broken":
            raise ValueError("cannot be made")
        made[config] = Quiet(str(config))
        return made[config]

    manager = DiscoveryManager(make, lambda job, groups: None)
    kinds = ("file", "http", "dns", "consul", "csv")
    manager.apply({"j": WantedJob((), (*kinds, "broken"))})
    made["file"].status.counts |= {"file_read_errors": 2, "file_scan": 3}
    made["file"].status.seconds["file_scan"] = 0.25
    made["file"].status.details["files"] = {"/sd/a.json": 1000.5}
    made["http"].status.counts |= {"refresh": 4, "refresh_failures": 1}
    made["http"].status.seconds["refresh"] = 0.5
    made["csv"].status.counts |= {"refresh": 1}
    made["dns"].status.counts |= {"dns_lookups": 7, "dns_lookup_failures": 6}
    made["consul"].status.counts |= {"consul_rpc_failures": 5, "consul_health": 9}
    manager.apply({})  # what was counted stays; gauges go
    manager.apply({"j": WantedJob((), ("broken", "file"))})
    made["file"].status.details["files"] = {"/sd/a.json": 1000.5}
    page = OwnMetrics([lambda: discovery_families(manager)]).render()[0].decode().splitlines()
    await manager.stop()
    for line in (
        "prometheus_sd_file_read_errors_total 2.0",
        "# TYPE prometheus_sd_file_scan_duration_seconds summary",
        "prometheus_sd_file_scan_duration_seconds_sum 0.25",
        "prometheus_sd_file_scan_duration_seconds_count 3.0",
        'prometheus_sd_file_mtime_seconds{filename="/sd/a.json"} 1000.5',
        "prometheus_sd_http_failures_total 1.0",
        'prometheus_sd_refresh_failures_total{mechanism="http"} 1.0',
        'prometheus_sd_refresh_failures_total{mechanism="dns"} 0.0',
        'prometheus_sd_refresh_duration_seconds_sum{mechanism="http"} 0.5',
        'prometheus_sd_refresh_duration_seconds_count{mechanism="http"} 4.0',
        'prometheus_sd_refresh_duration_seconds_count{mechanism="csv"} 1.0',
        "prometheus_sd_dns_lookups_total 7.0",
        "prometheus_sd_dns_lookup_failures_total 6.0",
        "prometheus_sd_consul_rpc_failures_total 5.0",
        'prometheus_sd_consul_rpc_duration_seconds_count{call="service",endpoint="health"} 9.0',
        'prometheus_sd_failed_configs{name="scrape"} 1.0',
        'prometheus_sd_updates_total{name="scrape"} 2.0',
        'pyscrape_sd_failing{config="j",kind="str"} 1.0',
    ):
        assert line in page, "\n".join(page)


@virtually
async def test_a_job_is_one_sample_however_many_discoveries_it_has() -> None:
    made: list[Quiet] = []

    def make(config: object) -> Quiet:
        made.append(Quiet("file"))
        return made[-1]

    manager = DiscoveryManager(make, lambda job, groups: None)
    targets = ({"__address__": "a:1"}, {"__address__": "b:1"})
    manager.apply({"j": WantedJob((TargetGroup("0", targets),), ("one", "two")), "k": WantedJob((), ())})
    await asyncio.sleep(0)
    made[0].update([TargetGroup("f", targets[:1])])
    made[1].status.last_error = "broken"
    page = OwnMetrics([lambda: discovery_families(manager)]).render()[0].decode().splitlines()
    await manager.stop()
    assert [
        line for line in page if line.startswith(("prometheus_sd_discovered", "pyscrape_sd_failing"))
    ] == [
        'prometheus_sd_discovered_targets{config="j",name="scrape"} 3.0',
        'prometheus_sd_discovered_targets{config="k",name="scrape"} 0.0',
        'pyscrape_sd_failing{config="j",kind="file"} 1.0',
    ]
