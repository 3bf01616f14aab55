"""DNS discovery against a name server on loopback that answers, truncates, refuses and fails; and against dnsmasq."""

import asyncio
import os
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from pyscrape.discovery.dns import DNSDiscoverer, candidates, lookup_by, resolver_from
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.network_settings import DNSSDConfig
from pyscrape.discovery.refresh import LookError
from pyscrape.model.settings import from_mapping
from tests.helpers.processes import HOST, free_port


@dataclass
class NameServer:
    """Zones as (name, type) -> record texts; `rcode` fails all questions, `failing` some names; `cut` truncates UDP."""

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    cut: bool = False
    failing: set[str] = field(default_factory=set)
    port: int = 0
    over_tcp: int = 0

    def answer(self, wire: bytes, *, tcp: bool) -> bytes:
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        question = query.question[0]
        kind = question.rdtype.name
        name = str(question.name)
        records = self.zone.get((name, kind))
        if self.rcode or name in self.failing:
            response.set_rcode(self.rcode or dns.rcode.SERVFAIL)
        elif records is None and not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif self.cut and not tcp:
            response.flags |= dns.flags.TC
        elif records:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        self.over_tcp += tcp
        return response.to_wire(max_size=65535)


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(self.server.answer(data, tcp=False), addr)


@asynccontextmanager
async def serving(server: NameServer) -> AsyncIterator[NameServer]:
    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        answer = server.answer(await reader.readexactly(size), tcp=True)
        writer.write(struct.pack("!H", len(answer)) + answer)
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(stream, HOST, 0)
    server.port = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: Datagrams(server), local_addr=(HOST, server.port))
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
        await tcp.wait_closed()


class World:
    """A discoverer that asks a server, and what it has found."""

    def __init__(self, server: NameServer, **config: object) -> None:
        def resolver() -> dns.asyncresolver.Resolver:
            made = dns.asyncresolver.Resolver(configure=False)
            made.nameservers, made.port, made.search = (
                [HOST],
                server.port,
                [dns.name.from_text("search.example.")],
            )
            made.lifetime = 2.0
            return made

        self.discoverer = DNSDiscoverer(from_mapping(DNSSDConfig, config), lookup_by(resolver))
        self.groups: dict[str, TargetGroup] = {}

    async def look(self) -> dict[str, list[str]]:
        await self.discoverer.refresh(lambda changed: self.groups.update({g.source: g for g in changed}))
        return {source: [t["__address__"] for t in group.targets] for source, group in self.groups.items()}


async def test_every_record_type() -> None:
    zone = {
        ("a.example.", "A"): ["192.0.2.1", "192.0.2.2"],
        ("a.example.", "AAAA"): ["2001:db8::1"],
        ("_x._tcp.example.", "SRV"): ["0 0 9100 one.example.", "0 0 9101 two.example."],
        ("example.", "MX"): ["10 mail.example."],
        ("example.", "NS"): ["ns1.example."],
        ("only.search.example.", "A"): ["192.0.2.9"],
    }
    async with serving(NameServer(zone)) as server:
        rows = [
            (["a.example"], "A", 80, ["192.0.2.1:80", "192.0.2.2:80"]),
            (["a.example."], "AAAA", 80, ["[2001:db8::1]:80"]),
            (["_x._tcp.example"], "SRV", 0, ["one.example:9100", "two.example:9101"]),
            (["example."], "MX", 25, ["mail.example:25"]),
            (["example."], "NS", 53, ["ns1.example:53"]),
            (["only"], "A", 1, ["192.0.2.9:1"]),
            (["missing.example."], "A", 1, []),
            (["example."], "A", 1, []),
        ]
        for names, kind, port, addresses in rows:
            config: dict[str, object] = {"names": names, "type": kind} | ({"port": port} if port else {})
            assert sorted((await World(server, **config).look())[names[0]]) == addresses


async def test_a_cut_answer_is_asked_again_over_tcp() -> None:
    zone = {("a.example.", "A"): [f"192.0.2.{k}" for k in range(200)]}
    async with serving(NameServer(zone, cut=True)) as server:
        found = await World(server, names=["a.example."], type="A", port=1).look()
        assert len(found["a.example."]) == 200
        assert server.over_tcp == 1


async def test_a_failing_server_leaves_what_was_found() -> None:
    zone = {("a.example.", "A"): ["192.0.2.1"], ("b.example.", "A"): ["192.0.2.2"]}
    async with serving(NameServer(zone)) as server:
        world = World(server, names=["a.example.", "b.example."], type="A", port=1)
        before = await world.look()
        server.rcode = dns.rcode.SERVFAIL
        assert await world.look() == before
        assert 'could not resolve "a.example."' in world.discoverer.status.last_error
        server.rcode = dns.rcode.NOERROR
        del server.zone[("b.example.", "A")]
        assert await world.look() == {"a.example.": ["192.0.2.1:1"], "b.example.": []}
        assert world.discoverer.status.last_error == ""


async def test_a_name_that_goes_on_failing_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    zone = {("a.example.", "A"): ["192.0.2.1"]}
    async with serving(NameServer(zone, failing={"b.example."})) as server:
        world = World(server, names=["a.example.", "b.example."], type="A", port=1)
        for failing, lines in [
            ({"b.example."}, ["Error refreshing DNS targets"]),
            ({"b.example."}, []),
            ({"a.example.", "b.example."}, ["Unable to refresh target groups"]),
            ({"a.example.", "b.example."}, []),
            (set(), ["Target groups are refreshed again"]),
            ({"b.example."}, ["Error refreshing DNS targets"]),
        ]:
            server.failing = failing
            caplog.clear()
            with caplog.at_level("INFO", "pyscrape.discovery"):
                await world.look()
            assert [record.getMessage() for record in caplog.records] == lines


async def test_silence_is_told_in_the_same_words_every_time() -> None:
    def silent() -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port, made.timeout = [HOST], port, 0.02
        return made

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(HOST, 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        with pytest.raises(LookError, match=rf"\(no answer from {HOST} within 0\.04 s\)$"):
            await lookup_by(silent)("a.example.", "A")
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("name", "search", "ndots", "asked"),
    [
        ("a", ["x.example."], 1, ["a.x.example.", "a."]),
        ("a.b", ["x.example.", "y.example."], 1, ["a.b.", "a.b.x.example.", "a.b.y.example."]),
        ("a.b", ["x.example."], 5, ["a.b.x.example.", "a.b."]),
        ("a.", ["x.example."], 1, ["a."]),
        ("a", [], 1, ["a."]),
    ],
)
def test_candidates(name: str, search: list[str], ndots: int, asked: list[str]) -> None:
    assert candidates(name, search, ndots) == asked


async def test_a_search_domain_that_fails_does_not_hide_the_next() -> None:
    server = NameServer(
        {("only.", "A"): ["192.0.2.9"]}, failing={"only.search.example.", "gone.search.example."}
    )
    async with serving(server):
        assert (await World(server, names=["only"], type="A", port=1).look())["only"] == ["192.0.2.9:1"]
        # "There is no such name" needs the word of a server about each candidate.
        world = World(server, names=["gone", "only"], type="A", port=1)
        assert await world.look() == {"only": ["192.0.2.9:1"]}
        status = world.discoverer.status
        assert status.state == "failing" and status.last_error.startswith(
            'could not resolve "gone": all servers'
        )
        assert (status.counts["dns_lookups"], status.counts["dns_lookup_failures"]) == (2, 1)
        assert status.counts["refresh_failures"] == 0


def test_only_the_file_says_what_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box.corp.example")
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\n")
    assert resolver_from(str(file)).domain == dns.name.root
    file.write_text("nameserver 127.0.0.1\ndomain other.example\n")
    assert str(resolver_from(str(file)).domain) == "other.example."


async def test_a_machine_without_resolver_configuration_is_a_failed_look() -> None:
    def no_resolver() -> dns.asyncresolver.Resolver:
        raise dns.resolver.NoResolverConfiguration("cannot open /etc/resolv.conf")  # type: ignore[no-untyped-call]

    with pytest.raises(LookError, match=r"cannot open /etc/resolv\.conf"):
        await lookup_by(no_resolver)("a.example", "A")


RECORDS = [
    "--local=/example/",
    "--host-record=web.example,192.0.2.1,2001:db8::1",
    "--host-record=web.example,192.0.2.2",
    "--cname=www.example,web.example",
    "--srv-host=_x._tcp.example,one.example,9100",
    "--srv-host=_x._tcp.example,two.example,9101",
    "--mx-host=example,mail.example,10",
    "--dns-rr=example,2,036e7331076578616d706c6500",  # NS ns1.example.
    *(f"--host-record=many.example,198.51.100.{k}" for k in range(200)),
]


@contextmanager
def dnsmasq(folder: Path) -> Iterator[int]:
    """Debian's dnsmasq on loopback: its port. `folder` gets a resolv.conf for it."""
    program = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("dnsmasq is not installed")
    (folder / "resolv.conf").write_text(f"nameserver {HOST}\nsearch refused.test example\n")
    port = free_port()
    where = [f"--port={port}", f"--listen-address={HOST}", "--bind-interfaces", "--conf-file=/dev/null"]
    flags = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--pid-file=", "--log-facility=-"]
    with subprocess.Popen([program, *flags, *where, *RECORDS], stderr=subprocess.PIPE) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()  # it speaks once it listens
            assert b"started" in line, line
            yield port
        finally:
            server.terminate()


async def test_beside_dnsmasq(tmp_path: Path) -> None:
    rows = [
        (["web.example"], "A", ["192.0.2.1:80", "192.0.2.2:80"]),
        (["web.example."], "AAAA", ["[2001:db8::1]:80"]),
        (["www.example"], "A", ["192.0.2.1:80", "192.0.2.2:80"]),
        (
            ["web"],
            "A",
            ["192.0.2.1:80", "192.0.2.2:80"],
        ),  # refused.test, the first of the search list, is refused
        (["_x._tcp.example"], "SRV", ["one.example:9100", "two.example:9101"]),
        (["example"], "MX", ["mail.example:80"]),
        (["example."], "NS", ["ns1.example:80"]),
        (["missing.example."], "A", []),
        (["many.example"], "A", sorted(f"198.51.100.{k}:80" for k in range(200))),  # cut over UDP
    ]
    with dnsmasq(tmp_path) as port:

        def resolver() -> dns.asyncresolver.Resolver:
            made = resolver_from(str(tmp_path / "resolv.conf"))
            made.port = port
            return made

        def hurried() -> dns.asyncresolver.Resolver:
            made = resolver()
            made.timeout = 0.1
            return made

        for names, kind, addresses in rows:
            discoverer = DNSDiscoverer(
                from_mapping(DNSSDConfig, {"names": names, "type": kind, "port": 80}), lookup_by(resolver)
            )
            found: list[TargetGroup] = []
            await discoverer.refresh(found.extend)
            assert sorted(t["__address__"] for group in found for t in group.targets) == addresses, names
        with pytest.raises(LookError, match="REFUSED"):
            await lookup_by(resolver)("other.test.", "A")
    with pytest.raises(LookError, match=r'could not resolve "web.example."'):  # it has ended
        await lookup_by(hurried)("web.example.", "A")
