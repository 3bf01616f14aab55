"""Access by kubeconfig: contexts, tokens, client certificates and exec plugins against a server with TLS."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.discovery.kubernetes import Clusters
from pyscrape.discovery.kubernetes import kubeconfig as kubeconfig_module
from tests.discovery.kubernetes import manifests as make
from tests.discovery.kubernetes.conftest import discovering, eventually
from tests.helpers.certificates import Authority
from tests.helpers.fake_kubernetes import FakeKubernetes

USER = "system:serviceaccount:kube-ops:pyscrape"
pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def server(tmp_path: Path) -> FakeKubernetes:
    made = FakeKubernetes([make.pod("a")], tls=Authority(tmp_path).server("127.0.0.1"))
    made.tokens = {"sesame": USER}
    made.rules = {USER: [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]}
    return made


def kubeconfig(folder: Path, url: str, user: dict[str, Any], **cluster: Any) -> str:
    """A file with two contexts, of which the second is the current one."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [
            {"name": "elsewhere", "cluster": {"server": "https://192.0.2.1:6443"}},
            {
                "name": "lab",
                "cluster": {"server": url, "certificate-authority": str(folder / "ca.crt"), **cluster},
            },
        ],
        "users": [{"name": "me", "user": user}],
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "elsewhere", "user": "me"}},
            {"name": "lab", "context": {"cluster": "lab", "user": "me"}},
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_current_context_with_a_token(server: FakeKubernetes, tmp_path: Path) -> None:
    async with server:
        path = kubeconfig(tmp_path, server.url, {"token": "sesame"})
        async with discovering("", Clusters(environment={}), kubeconfig_file=path) as found:
            await eventually(lambda: found.synced)
            assert found.names == {"a"}


async def test_exec_plugin(server: FakeKubernetes, tmp_path: Path) -> None:
    """The token is what a program prints."""
    credential = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "sesame"},
    }
    plugin = tmp_path / "plugin.py"
    plugin.write_text(f"print('''{json.dumps(credential)}''')")
    execute = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(plugin)],
        "interactiveMode": "Never",
    }
    async with server:
        path = kubeconfig(tmp_path, server.url, {"exec": execute})
        async with discovering("", Clusters(environment={}), kubeconfig_file=path) as found:
            await eventually(lambda: found.synced)
            assert found.names == {"a"}


async def test_certificate_that_is_not_trusted(server: FakeKubernetes, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").ca_file
    async with server:
        path = kubeconfig(tmp_path, server.url, {"token": "sesame"}, **{"certificate-authority": str(other)})
        async with discovering("", Clusters(environment={}), kubeconfig_file=path) as found:
            await eventually(lambda: "certificate" in found.discovery.status.last_error)
            assert "check tls_config.ca_file" in found.discovery.status.advice
            assert "sesame" not in found.discovery.status.last_error


async def test_file_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    said = f"unable to load kubeconfig {path}: no such file or directory"
    async with discovering("", Clusters(environment={}), kubeconfig_file=path) as found:
        await eventually(lambda: said in found.discovery.status.last_error)


async def test_a_plugin_that_fails_for_a_while(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token is renewed by a plugin, which raises what it likes: discovery says so and goes on afterwards."""
    broken = [False]

    def authorization(_loaded: kubeconfig_module._Loaded) -> str:
        if broken[0]:
            raise RuntimeError("no network")
        return "Bearer sesame"

    monkeypatch.setattr(kubeconfig_module, "TOKEN_LASTS_S", -1.0)
    monkeypatch.setattr(kubeconfig_module._Loaded, "authorization", authorization)
    async with server:
        path = kubeconfig(tmp_path, server.url, {"token": "old"})
        async with discovering("", Clusters(environment={}), kubeconfig_file=path) as found:
            await eventually(lambda: found.synced)
            broken[0] = True
            server.cut()
            await eventually(lambda: "no network" in found.discovery.status.last_error)
            broken[0] = False
            server.apply(make.pod("b"))
            await eventually(lambda: found.names == {"a", "b"})


async def test_a_file_that_changed_is_read_when_a_discovery_starts_again(
    server: FakeKubernetes, tmp_path: Path
) -> None:
    clusters = Clusters(environment={}, linger_s=0.01)
    async with server:
        path = kubeconfig(tmp_path, server.url, {"token": "wrong"})
        async with discovering("", clusters, kubeconfig_file=path) as found:
            await eventually(lambda: "401" in found.discovery.status.last_error)
        await eventually(lambda: not clusters.clusters)
        kubeconfig(tmp_path, server.url, {"token": "sesame"})
        async with discovering("", clusters, kubeconfig_file=path) as found:
            await eventually(lambda: found.synced)
        await clusters.close()
