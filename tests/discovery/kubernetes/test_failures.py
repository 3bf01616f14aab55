"""What goes wrong between an API server and a discovery, and that targets are right again soon afterwards.

Each case provokes one behaviour that real servers were seen to have; all waits are shorter than the real ones.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from pyscrape.discovery.kubernetes import reflector as reflector_module
from pyscrape.discovery.kubernetes.watch import Watch
from tests.discovery.kubernetes.conftest import discovering, eventually
from tests.discovery.kubernetes.manifests import pod
from tests.helpers.fake_kubernetes import FakeKubernetes, Fault, RefusalError

pytestmark = pytest.mark.usefixtures("impatient")


def three() -> FakeKubernetes:
    return FakeKubernetes([pod("a"), pod("b"), pod("c")])


async def test_killed_server_and_changes_meanwhile() -> None:
    """SIGKILL: connections break, the new server does not know the old version (410 within the stream)."""
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        updates = len(found.updates)
        await server.kill()
        server.delete("Pod", "b", "default")
        server.apply(pod("d"))
        await eventually(lambda: found.discovery.status.state == "failing")
        assert found.names == {"a", "b", "c"}, "targets are kept through an outage"
        await asyncio.sleep(0.5)
        assert found.names == {"a", "b", "c"}
        await server.start()
        await eventually(lambda: found.names == {"a", "c", "d"})
        assert found.discovery.status.state == "running"
        assert found.clusters.stats.failures_total > 0
        assert len(found.updates) == updates + 1, "one hand-over, of what differs"
        assert set(found.updates[-1]) == {"pod/default/b", "pod/default/d"}


async def test_terminated_server_leaves_watches_silent() -> None:
    """SIGTERM: the old watches stay open and say nothing; a small request notices that the server was away."""
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        server.terminate()
        await asyncio.sleep(1.0)
        server.apply(pod("d"))
        await server.start()
        await eventually(lambda: "d" in found.names)  # sooner than the watch's own silence would tell
        assert found.names == {"a", "b", "c", "d"}


async def test_cut_connections_resume_without_a_list() -> None:
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        await eventually(lambda: server.watches == 1)
        server.cut()
        server.apply(pod("d"))
        await eventually(lambda: "d" in found.names)
        assert server.asked("pods", "list") == []
        assert "sendInitialEvents" not in server.asked("pods")[-1].params


async def test_expired_version_is_listed_anew() -> None:
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        server.delete("Pod", "a", "default")
        server.apply(pod("d"))
        await eventually(lambda: found.names == {"b", "c", "d"})
        server.cut()
        server.delete("Pod", "b", "default")
        server.compact()
        await eventually(lambda: found.names == {"c", "d"})


async def test_server_that_ends_its_watches() -> None:
    """A watch that ends in good order is opened again from where it was."""
    async with three() as server:
        server.faults.append(Fault("pods", times=3, cut_after=4))
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced)
            server.apply(pod("d"))
            await eventually(lambda: "d" in found.names)


async def test_without_watch_lists_pages_are_read() -> None:
    server = FakeKubernetes((pod(f"p{n:04}") for n in range(1203)), watch_list=False)
    async with server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        assert len(found.groups) == 1203
        asked = server.asked("pods", "list")
        assert [request.params.get("limit") for request in asked] == ["500", "500", "500"]
        assert {request.params.get("resourceVersion") for request in asked} == {None}
        server.apply(pod("new"))
        await eventually(lambda: "new" in found.names)


async def test_expired_page_token() -> None:
    """The list's version expires between two pages: the whole is read from the server's cache."""
    server = FakeKubernetes((pod(f"p{n:04}") for n in range(1203)), watch_list=False)
    async with server:
        server.faults.append(Fault("pods", "list", times=0))
        original = server._list
        pages = 0

        async def compacting(request, kind, selects):  # type: ignore[no-untyped-def]
            nonlocal pages
            pages += 1
            if pages == 2:
                server.compact()
            return await original(request, kind, selects)

        server._list = compacting  # type: ignore[method-assign]
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced)
            assert len(found.groups) == 1203
            assert server.asked("pods", "list")[-1].params["resourceVersion"] == "0"


@pytest.mark.parametrize("watch_list", [True, False])
async def test_database_down_at_the_start(watch_list: bool) -> None:
    """Without its database the server answers nothing but lists from its cache."""
    async with FakeKubernetes([pod("a")], watch_list=watch_list) as server:
        server.database_down = True
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced)
            assert found.names == {"a"}


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_busy_server(status: int) -> None:
    async with three() as server:
        server.faults.append(Fault("pods", times=2, status=status, retry_after="0"))
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced)
            assert found.names == {"a", "b", "c"}


async def test_retry_after_is_honoured() -> None:
    async with three() as server:
        server.faults.append(Fault("pods", status=429, retry_after="1"))
        async with discovering(server.url) as found:
            assert await eventually(lambda: found.synced) >= 0.95


async def test_hanging_server() -> None:
    """Connections are taken and nothing is answered."""
    async with three() as server:
        server.faults.append(Fault("pods", times=3, hang=True))
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced, within_s=8)
            assert found.names == {"a", "b", "c"}


async def test_slow_server() -> None:
    async with three() as server:
        server.faults.append(Fault("pods", slow_s=0.1))
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced)
            assert found.names == {"a", "b", "c"}


async def test_cut_in_the_middle_of_the_first_list() -> None:
    async with three() as server:
        server.faults.append(Fault("pods", cut_after=2))
        async with discovering(server.url) as found:
            await eventually(lambda: found.synced)
            assert found.names == {"a", "b", "c"}
            assert len(found.updates) == 1, "half a list is never handed over"


async def test_watches_that_end_in_time_are_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server ends each watch after its timeoutSeconds: nothing is listed again, nothing in between is lost."""
    monkeypatch.setattr(reflector_module, "WATCH_LASTS_S", (1, 1))
    monkeypatch.setattr(reflector_module, "SHORT_WATCH_S", 0.1)
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        for n in range(30):
            server.apply(pod(f"n{n}"))
            await asyncio.sleep(0.08)
        await eventually(lambda: found.names == {"a", "b", "c", *(f"n{n}" for n in range(30))})
        requests = server.asked("pods")
        assert len(requests) >= 3
        assert ["sendInitialEvents" in request.params for request in requests].count(True) == 1


async def test_a_server_that_was_restored_from_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its versions are lower than ours: a watch from ours is taken, and says nothing for ever."""
    monkeypatch.setattr(reflector_module, "WATCH_SILENCE_S", 0.5)
    async with three() as server, discovering(server.url) as found:
        for n in range(50):
            server.apply(pod("c", f"10.0.1.{n}"))
        await eventually(lambda: found.synced)
        await server.kill()
        restored = FakeKubernetes([pod("a"), pod("z")])
        restored.port = server.port
        async with restored:
            await eventually(lambda: found.names == {"a", "z"})


async def test_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bookmark for too long: the version is not trusted either (a restored backup never reaches it)."""
    monkeypatch.setattr(reflector_module, "WATCH_SILENCE_S", 0.3)
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        await eventually(lambda: len(server.asked("pods")) >= 2)
        assert "sendInitialEvents" in server.asked("pods")[1].params


async def test_bookmarks_keep_a_watch_alive_and_move_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector_module, "WATCH_SILENCE_S", 0.5)
    server = FakeKubernetes([pod("a")], bookmark_s=0.1)
    async with server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        await asyncio.sleep(0.8)
        assert len(server.asked("pods")) == 1
        for n in range(5):
            server.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{n}"}})
        await asyncio.sleep(0.2)
        server.cut()
        await eventually(lambda: len(server.asked("pods")) == 2)
        assert server.asked("pods")[1].params["resourceVersion"] == str(server.version)


# --- who may ---

READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
USER = "system:serviceaccount:kube-ops:prometheus"


def guarded(token: str = "sesame") -> FakeKubernetes:
    server = three()
    server.tokens = {token: USER}
    server.rules = {USER: [READ_PODS]}
    return server


def with_token(path: Path) -> dict[str, Any]:
    return {"authorization": {"credentials_file": str(path)}}


async def test_token_dies_and_is_rotated(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame\n")
    async with guarded() as server, discovering(server.url, **with_token(token)) as found:
        await eventually(lambda: found.synced)
        server.tokens = {"open": USER}
        server.apply(pod("d"))
        await eventually(lambda: "d" in found.names)  # watches that are open go on
        server.cut()
        await eventually(lambda: "401" in found.discovery.status.last_error)
        assert "token" in found.discovery.status.advice
        assert found.names == {"a", "b", "c", "d"}
        token.write_text("open\n")
        server.apply(pod("e"))
        await eventually(lambda: "e" in found.names)
        assert found.discovery.status.last_error == ""


async def test_rights_are_withdrawn_and_given_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = tmp_path / "token"
    token.write_text("sesame")
    async with guarded() as server, discovering(server.url, **with_token(token)) as found:
        await eventually(lambda: found.synced)
        server.rules[USER] = []
        server.cut()
        await eventually(lambda: found.discovery.status.advice != "")
        assert found.discovery.status.state == "failing"
        assert found.discovery.status.advice == (
            f"{USER} lacks a right. Add this rule to a ClusterRole that is bound to it:\n"
            '- apiGroups: [""]\n'
            '  resources: ["pods"]\n'
            '  verbs: ["list", "watch"]'
        )
        assert found.names == {"a", "b", "c"}
        assert found.discovery.status.advice in {getattr(record, "hint", "") for record in caplog.records}
        server.rules[USER] = [READ_PODS]
        await eventually(lambda: found.discovery.status.state == "running")


async def test_missing_right_of_a_related_resource_is_named(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame")
    config = {**with_token(token), "role": "endpointslice", "namespaces": {"names": ["default"]}}
    async with guarded() as server, discovering(server.url, **config) as found:
        await eventually(lambda: "services" in found.discovery.status.advice)
        await eventually(lambda: "endpointslices" in found.discovery.status.advice)
        advice = found.discovery.status.advice
        assert "a Role in namespace default" in advice
        assert 'apiGroups: ["discovery.k8s.io"]\n  resources: ["endpointslices"]' in advice
        assert 'apiGroups: [""]\n  resources: ["services"]' in advice
        assert '"pods"' not in advice


async def test_no_token_and_wrong_token() -> None:
    async with guarded() as server:
        async with discovering(server.url) as found:
            await eventually(lambda: "carried no credentials" in found.discovery.status.advice)
        async with discovering(server.url, authorization={"credentials": "guess"}) as found:
            await eventually(lambda: "does not know these credentials" in found.discovery.status.advice)
            assert not found.synced, "not being let in is not the same as finding nothing"


async def test_secrets_stay_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Through all that can go wrong, the token is in no log, no error and no status."""
    caplog.set_level(logging.DEBUG)
    token = tmp_path / "token"
    token.write_text("sesame-d41d8cd98f")
    async with guarded() as server, discovering(server.url, **with_token(token)) as found:
        server.faults += [Fault("pods", status=429), Fault("pods", cut_after=0), Fault("pods", cut_after=1)]
        await eventually(lambda: "401" in found.discovery.status.last_error)
        token.unlink()
        await eventually(lambda: "unable to read" in found.discovery.status.last_error)
        shown = repr(found.discovery.status) + repr(found.clusters) + caplog.text
        assert "sesame" not in shown
        assert all("sesame" not in repr(record.__dict__) for record in caplog.records)


async def test_not_an_api_server() -> None:
    async with three() as server, discovering(f"{server.url}/no/such") as found:
        await eventually(lambda: "is it a Kubernetes API server" in found.discovery.status.advice)


async def test_missing_namespace_is_empty() -> None:
    async with three() as server, discovering(server.url, namespaces={"names": ["nowhere"]}) as found:
        await eventually(lambda: found.synced)
        assert found.groups == {}
        assert found.discovery.status.state == "running"


async def test_one_forbidden_namespace_does_not_hold_back_the_others(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame")
    server = guarded()
    server.rules[USER] = [{**READ_PODS, "namespace": "default"}]
    config = {**with_token(token), "namespaces": {"names": ["default", "secret"]}}
    async with server, discovering(server.url, **config) as found:
        await eventually(lambda: found.names == {"a", "b", "c"})
        assert "namespace secret" in found.discovery.status.advice


# --- what the stream says ---


async def test_unknown_events_and_objects_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    server = three()
    original = server._events

    async def odd(*args):  # type: ignore[no-untyped-def]
        async for text in original(*args):
            yield text
            yield b'{"type":"EXPLODED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}}\n'
            yield b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v2","metadata":{"name":"y"}}}\n'
            yield b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"z"},"spec":"?"}}\n'
            yield b'{"type":7}\n'

    server._events = odd  # type: ignore[method-assign]
    async with server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        assert found.names == {"a", "b", "c"}
    for said in (
        "unknown type 'EXPLODED'",
        "v2 Pod where v1 Pod",
        "an object that cannot be read",
        "an event that",
    ):
        assert said in caplog.text


async def test_deprecation_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with three() as server, discovering(server.url, role="endpoints") as found:
        await eventually(lambda: found.synced)
        server.cut()
        await eventually(lambda: len(server.asked("endpoints")) >= 2)
        await asyncio.sleep(0.05)
    assert caplog.text.count("v1 Endpoints is deprecated") == 1


# --- what is nobody's fault but ours ---


async def test_a_fault_in_a_reflector_is_told_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        feed = Watch.feed

        def broken(watch: Watch, line: bytes) -> Any:
            raise KeyError("no such thing")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Watch, "feed", broken)
            server.apply(pod("d"))
            await eventually(lambda: found.discovery.status.state == "failing")
        assert Watch.feed is feed
        assert "no such thing" in found.discovery.status.last_error
        assert found.names == {"a", "b", "c"}
        await eventually(lambda: found.names == {"a", "b", "c", "d"})
        assert found.discovery.status.state == "running"
        assert caplog.text.count("Traceback") == 1


@pytest.mark.parametrize("status", [400, 500])
async def test_a_version_that_a_server_will_never_understand_again(status: int) -> None:
    """Another server behind the same address: it refuses to watch from a version that is not its own."""
    async with three() as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        answer = server._watch

        async def refusing(request, *args):  # type: ignore[no-untyped-def]
            if "sendInitialEvents" not in request.params and refused:
                raise RefusalError(status, "BadRequest", "invalid resource version")
            return await answer(request, *args)

        refused = True
        server._watch = refusing  # type: ignore[method-assign]
        server.cut()
        server.apply(pod("d"))
        await eventually(lambda: "d" in found.names)
