"""DNS discovery against a name server on loopback that answers, truncates, refuses and fails."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from pyscrape.discovery.dns import DNSDiscoverer, lookup_by
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.network_settings import DNSSDConfig
from pyscrape.discovery.refresh import LookError
from pyscrape.model.settings import from_mapping

HOST = "127.0.0.1"


@dataclass
class NameServer:
    """Zones as (name, type) -> record texts; `rcode` fails every question, `cut` truncates answers over UDP."""

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    cut: bool = False
    port: int = 0
    over_tcp: int = 0

    def answer(self, wire: bytes, *, tcp: bool) -> bytes:
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        question = query.question[0]
        kind = question.rdtype.name
        name = str(question.name)
        records = self.zone.get((name, kind))
        if self.rcode:
            response.set_rcode(self.rcode)
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


async def test_a_machine_without_resolver_configuration_is_a_failed_look() -> None:
    def no_resolver() -> dns.asyncresolver.Resolver:
        raise dns.resolver.NoResolverConfiguration("cannot open /etc/resolv.conf")  # type: ignore[no-untyped-call]

    with pytest.raises(LookError, match=r"cannot open /etc/resolv\.conf"):
        await lookup_by(no_resolver)("a.example", "A")
