"""Targets from DNS records: A, AAAA, SRV, MX and NS, looked up through the system's resolver configuration.

Source: Prometheus' documentation, "dns_sd_config". A name that no server answers for keeps what it had; NXDOMAIN on
all candidates of the search list is an answer: no targets.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdata import Rdata

from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup
from pyscrape.discovery.network_settings import DNSSDConfig
from pyscrape.discovery.refresh import LookError, RefreshDiscoverer, sleep
from pyscrape.model.names import quoted

logger = logging.getLogger("pyscrape.discovery")

META = "__meta_dns_"
RESOLV_CONF = "/etc/resolv.conf"
EDNS_BYTES = 1232

Lookup = Callable[[str, str], Awaitable[Sequence[Rdata]]]
"""(name, record type) -> the records; raises LookError when no server answers."""


def system_resolver() -> dns.asyncresolver.Resolver:
    """The resolver of resolv.conf, read anew: a laptop or a pod may change networks."""
    if sys.platform == "win32":
        return dns.asyncresolver.Resolver()
    return resolver_from(RESOLV_CONF)


def resolver_from(path: str) -> dns.asyncresolver.Resolver:
    """The resolver of a file like resolv.conf. Only the file's domain and search list count, not the host's own name.

    Raises:
        dns.resolver.NoResolverConfiguration: there is no such file, or no server in it.
    """
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.domain = dns.name.root
    resolver.read_resolv_conf(path)
    return resolver


def candidates(name: str, search: Sequence[str], ndots: int) -> list[str]:
    """The names to ask for, in order: as it stands first when it has more than `ndots` labels, else last.

    `candidates("db", ["corp.example."], 1)` -> `["db.corp.example.", "db."]`
    """
    if name.endswith("."):
        return [name]
    listed = [f"{name}.{suffix}" if suffix != "." else f"{name}." for suffix in search]
    full = f"{name}."
    return [full, *listed] if name.count(".") + 1 > ndots else [*listed, full]


def lookup_by(resolver_of: Callable[[], dns.asyncresolver.Resolver]) -> Lookup:
    """Looks names up by UDP with EDNS, by TCP where an answer is cut; the search list is followed.

    The first candidate that exists is the answer. A candidate that no server answers for does not end the search, but
    "there is no such name" needs the word of a server about each.
    """

    async def find(name: str, kind: str) -> Sequence[Rdata]:
        failed = f"could not resolve {quoted(name)}: all servers responded with errors to at least one search domain"
        try:
            resolver = resolver_of()
        except (dns.exception.DNSException, OSError) as error:
            raise LookError(f"{failed} ({error})") from error
        resolver.use_edns(0, 0, EDNS_BYTES)
        search = [str(one) for one in resolver.search or [resolver.domain] if one != dns.name.root]
        reason: Exception | str = ""
        for candidate in candidates(name, search, 1 if resolver.ndots is None else resolver.ndots):
            try:
                return await ask(resolver, candidate, kind)
            except dns.resolver.NXDOMAIN:
                continue
            except dns.exception.Timeout:
                # The library's own text says after how many milliseconds, which makes it another one every time.
                servers = ", ".join(map(str, resolver.nameservers))
                reason = reason or f"no answer from {servers} within {lifetime_s(resolver):g} s"
            except (dns.exception.DNSException, OSError) as error:
                reason = reason or error
        if reason:
            raise LookError(f"{failed} ({reason})") from (reason if isinstance(reason, Exception) else None)
        return ()

    return find


def lifetime_s(resolver: dns.asyncresolver.Resolver) -> float:
    """How long a question may take: each server has the time for one attempt, and the first for another."""
    return resolver.timeout * (len(resolver.nameservers) + 1)


async def ask(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> Sequence[Rdata]:
    """All records of the answer, CNAMEs too."""
    answer = await resolver.resolve(
        name, kind, search=False, raise_on_no_answer=False, lifetime=lifetime_s(resolver)
    )
    return [record for records in answer.response.answer for record in records]


lookup = lookup_by(system_resolver)


def join(host: str, port: int) -> str:
    """host:port, IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def target_of(name: str, record: Rdata, port: int) -> dict[str, str] | None:
    """A record as a target; None for a kind that gives none (CNAMEs come along with other answers)."""
    target = {"__meta_dns_name": name}
    match record.rdtype:
        case dns.rdatatype.SRV:
            host, port = str(record.target), int(record.port)  # type: ignore[attr-defined]  # dnspython's dynamic types
            target |= {f"{META}srv_record_target": host, f"{META}srv_record_port": str(port)}
        case dns.rdatatype.MX:
            host = str(record.exchange)  # type: ignore[attr-defined]
            target[f"{META}mx_record_target"] = host
        case dns.rdatatype.NS:
            host = str(record.target)  # type: ignore[attr-defined]
            target[f"{META}ns_record_target"] = host
        case dns.rdatatype.A | dns.rdatatype.AAAA:
            host = str(record.address).removeprefix("::ffff:")  # type: ignore[attr-defined]
        case _:
            return None
    return {"__address__": join(host.removesuffix("."), port), **target}


class DNSLooker:
    """Looks all names up at once."""

    kind = "dns"

    def __init__(self, config: DNSSDConfig, find: Lookup = lookup) -> None:
        self._names = config.names
        self._type = config.type.upper()
        self._port = config.port
        self._find = find
        self._known: dict[str, TargetGroup] = {}
        self._errors: dict[str, str] = {}
        self.status = DiscoveryStatus(self.kind)
        self.interval_s = config.refresh_interval.seconds

    async def look(self) -> Iterable[TargetGroup]:
        results = await asyncio.gather(*(self._group(name) for name in self._names))
        before, errors = self._errors, {}
        for name, result in zip(self._names, results, strict=True):
            if isinstance(result, TargetGroup):
                self._known[name] = result
            else:
                errors[name] = str(result)
        self._errors = errors
        self.status.counts["dns_lookups"] += len(results)
        self.status.counts["dns_lookup_failures"] += sum(isinstance(result, LookError) for result in results)
        if len(errors) == len(set(self._names)):
            raise LookError("; ".join(errors.values()))  # which is logged by whoever looks
        for name, error in errors.items():
            if before.get(name) != error:
                logger.error("Error refreshing DNS targets", extra={"err": error})
        self.status.problems = list(errors.values())
        return list(self._known.values())

    async def _group(self, name: str) -> TargetGroup | LookError:
        try:
            records = await self._find(name, self._type)
        except LookError as error:
            return error
        targets = (target_of(name, record, self._port) for record in records)
        return TargetGroup(name, tuple(target for target in targets if target is not None))

    async def wait(self, seconds: float) -> None:
        await sleep(seconds)


class DNSDiscoverer(RefreshDiscoverer):
    """The discoverer of `dns_sd_configs`."""

    def __init__(self, config: DNSSDConfig, find: Lookup = lookup) -> None:
        looker = DNSLooker(config, find)
        super().__init__(looker, status=looker.status)
