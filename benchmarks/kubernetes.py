"""Kubernetes discovery at scale: 5,000 pods (39.5 MB of JSON), 500 nodes, 1,000 services, a server of its own.

    python -m benchmarks.kubernetes [--sets node,pod,six] [--churn PODS_PER_SECOND] [--paged]
    python -m benchmarks.kubernetes --outage 15 [--polite]

For each set of jobs: seconds from the start of a fresh process to all targets being listed, its CPU seconds then,
and its resident memory then and a moment later. With --churn: pods that change so often, CPU in cores. With
--outage: the server is killed (--polite: told to end, which leaves its watches silent) for so many seconds, and a pod
is made while it is away; the seconds from its return until that pod is a target.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.runner import Row

SETS: dict[str, list[dict[str, Any]]] = {
    "node": [{"role": "node"}],
    "service": [{"role": "service"}],
    "pod": [{"role": "pod"}],
    "endpoints": [{"role": "endpoints"}],
    "endpointslice": [{"role": "endpointslice"}],
    "endpoints+node": [{"role": "endpoints", "attach_metadata": {"node": True}}],
    "ingress": [{"role": "ingress"}],
    # As a classic configuration has them: equal entries of several jobs are one discovery.
    "six": [{"role": "node"}, {"role": "endpoints"}, {"role": "pod"}, {"role": "ingress"},
            {"role": "endpoints", "selectors": []}, {"role": "node", "selectors": []}],
}  # fmt: skip


def rss_mib() -> float:
    """This process' resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def serve(ready: Any, size: int, watch_list: bool) -> None:
    """The API server's process: prints nothing, tells its port, then changes pods when asked."""
    from tests.helpers.fake_kubernetes import FakeKubernetes
    from tests.helpers.kubernetes_objects import cluster, pod

    async def run() -> None:
        async with FakeKubernetes(
            cluster(size, max(1, size // 10), max(1, size // 5)), watch_list=watch_list
        ) as server:
            ready.send(server.port)
            revision = 1
            while True:
                await asyncio.sleep(0.05)
                while ready.poll():
                    rate = ready.recv()
                    for n in range(rate):
                        revision += 1
                        server.apply(
                            pod(n * 37 % size, nodes=size // 10, services=size // 5, revision=revision)
                        )

    asyncio.run(run())


async def discover(url: str, configs: list[dict[str, Any]], stay_s: float) -> dict[str, Any]:
    """Discover until every job has all its targets; the figures at that moment."""
    from pyscrape.discovery.kubernetes.cluster import Clusters
    from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer
    from pyscrape.discovery.settings import KubernetesSDConfig
    from pyscrape.model.settings import from_mapping

    clusters = Clusters()
    counts: dict[int, int] = {}
    kept: dict[int, dict[str, Any]] = {}
    updates = 0
    done = asyncio.Event()

    def listener(number: int) -> Any:
        def update(groups: Any) -> None:
            nonlocal updates
            updates += 1
            mine = kept.setdefault(number, {})
            for group in groups:
                mine[group.source] = group
            counts[number] = sum(len(group.targets) for group in mine.values())
            if len(counts) == len(configs):
                done.set()

        return update

    tasks = [
        asyncio.create_task(
            KubernetesDiscoverer(
                from_mapping(KubernetesSDConfig, {**config, "api_server": url}), clusters
            ).run(listener(n))
        )
        for n, config in enumerate(configs)
    ]
    await done.wait()
    figures: dict[str, Any] = {
        "targets": sum(counts.values()),
        "cpu_s": time.process_time(),
        "rss_mib": rss_mib(),
    }
    print(json.dumps(figures), flush=True)
    cpu_s, started_s, before = time.process_time(), time.monotonic(), updates
    await asyncio.sleep(stay_s)
    later = {
        "cores": (time.process_time() - cpu_s) / (time.monotonic() - started_s),
        "rss_mib": rss_mib(),
        "updates": updates - before,
    }
    print(json.dumps(later), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await clusters.close()
    return figures


def run_set(
    port: int, name: str, pipe: Any, churn: int, stay_s: float
) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """Run one set in a fresh process: seconds until all was listed, the figures then, and those a while later."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.kubernetes",
        "--client",
        f"http://127.0.0.1:{port}",
        "--sets",
        name,
    ]
    started_s = time.monotonic()
    with subprocess.Popen([*command, "--stay", str(stay_s)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        listed = json.loads(process.stdout.readline())
        took_s = time.monotonic() - started_s
        for _ in range(int(stay_s) if churn else 0):
            pipe.send(churn)
            time.sleep(1)
        later = json.loads(process.stdout.readline())
    return took_s, listed, later


@contextmanager
def api_server(pods: int, watch_list: bool = True) -> Iterator[tuple[int, Any]]:
    """An API server in a process of its own: its port, and the pipe by which pods are changed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, pods, watch_list), daemon=True)
    server.start()
    try:
        yield ours.recv(), ours
    finally:
        server.terminate()
        server.join()


def measure(full: bool) -> list[Row]:
    """The figures that have goals; a fifth of the cluster unless `full`."""
    rows = []
    with api_server(5000 if full else 1000) as (port, pipe):
        for name, goals in (("pod", ("2", "1", "200")), ("six", ("4", "", "400"))):
            took_s, listed, later = run_set(port, name, pipe, churn=20 if name == "pod" else 0, stay_s=5)
            rows.append(Row(f"{name}: {listed['targets']} targets listed", took_s, "s", goals[0]))
            rows.append(Row(f"{name}: CPU from the start", listed["cpu_s"], "s", goals[1]))
            rows.append(Row(f"{name}: resident then", listed["rss_mib"], "MiB", goals[2]))
            if name == "pod":
                rows.append(Row("pod: 20 pods change a second", later["cores"], "cores", "0.1"))
    return rows


async def until(condition: Callable[[], bool]) -> None:
    """Wait, looking often."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen within 100 s")


async def outage(away_s: float, polite: bool) -> float:
    """One outage with real waits, server and client in this process: seconds until all is right again."""
    from pyscrape.discovery.kubernetes.cluster import Clusters
    from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer
    from pyscrape.discovery.settings import KubernetesSDConfig
    from pyscrape.model.settings import from_mapping
    from tests.helpers.fake_kubernetes import FakeKubernetes
    from tests.helpers.kubernetes_objects import cluster, pod

    found: dict[str, Any] = {}
    async with FakeKubernetes(cluster(500, 50, 100)) as server:
        clusters = Clusters()
        config = from_mapping(KubernetesSDConfig, {"role": "pod", "api_server": server.url})
        discoverer = KubernetesDiscoverer(config, clusters)
        task = asyncio.create_task(discoverer.run(lambda groups: found.update((g.source, g) for g in groups)))
        await until(lambda: len(found) == 500)
        if polite:
            server.terminate()
        else:
            await server.kill()
        await asyncio.sleep(away_s)
        kept = sum(bool(group.targets) for group in found.values())
        made = pod(9999, nodes=50, services=100)
        server.apply(made)
        await server.start()
        back_s = time.monotonic()
        await until(lambda: f"pod/{made['metadata']['namespace']}/{made['metadata']['name']}" in found)
        took_s = time.monotonic() - back_s
        print(
            f"away {away_s:g} s, {kept} of 500 groups kept; right again after {took_s:.2f} s", file=sys.stderr
        )
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clusters.close()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--churn", type=int, default=0, metavar="PODS_PER_SECOND")
    parser.add_argument("--paged", action="store_true", help="a server without watch lists")
    parser.add_argument("--outage", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--polite", action="store_true", help="with --outage: the server's watches stay open")
    parser.add_argument("--stay", type=float, default=2.0)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.sets.split(",")
    if args.client:
        asyncio.run(discover(args.client, SETS[names[0]], args.stay))
        return
    if args.outage:
        asyncio.run(outage(args.outage, args.polite))
        return
    with api_server(args.pods, not args.paged) as (port, pipe):
        for name in names:
            took_s, listed, later = run_set(port, name, pipe, args.churn, args.stay)
            print(
                f"{name:16} targets {listed['targets']:6}  listed {took_s:5.2f} s  CPU {listed['cpu_s']:5.2f} s  "
                f"RSS {listed['rss_mib']:5.0f} MiB, later {later['rss_mib']:5.0f}  then {later['cores']:.3f} cores, "
                f"{later['updates']} updates",
                flush=True,
            )


if __name__ == "__main__":
    main()
