"""Access by a kubeconfig file: contexts, client certificates, tokens and exec plugins, by the `kubernetes` package.

Only this module imports it, for it takes a fifth of a second and 50 MB. Its loader writes inline certificates to
files and runs plugins; both block, so they run in a thread.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from pyscrape.discovery.kubernetes.cluster import Access, ClusterError
from pyscrape.net.settings import HTTPClientConfig, TLSConfig
from pyscrape.net.streams import StreamError

# How long a token of a plugin is used before the loader is asked again (which runs the plugin only if it expired).
TOKEN_LASTS_S = 30.0


class _Loaded:
    """A loaded kubeconfig, whose token may be renewed by a plugin."""

    def __init__(self, path: str) -> None:
        from kubernetes import client, config

        self.configuration = client.Configuration()
        try:
            config.load_kube_config(path, client_configuration=self.configuration, persist_config=False)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            if not Path(path).exists():  # which the package calls an invalid file
                raise FileNotFoundError("no such file or directory") from error
            raise

    def authorization(self) -> str:
        """The header's value, empty if the file has neither token nor plugin nor user."""
        settings = self.configuration.auth_settings().get("BearerToken")
        if settings is not None:
            return str(settings["value"])
        if self.configuration.username:
            return str(self.configuration.get_basic_auth_token())
        return ""


class _Token:
    """Asks for the Authorization header now and then, in a thread."""

    def __init__(self, path: str, loaded: _Loaded) -> None:
        self._path = path
        self._loaded = loaded
        self._value = ""
        self._asked_s = float("-inf")

    async def headers(self) -> Mapping[str, str]:
        now_s = time.monotonic()
        if now_s - self._asked_s > TOKEN_LASTS_S:
            try:
                self._value = await asyncio.to_thread(self._loaded.authorization)
            except Exception as error:  # a plugin's or the package's own
                raise StreamError(f"no token by kubeconfig {self._path}: {error}") from error
            self._asked_s = now_s
        return {"Authorization": self._value} if self._value else {}


async def read_kubeconfig(path: str) -> Access:
    """How the file's current context reaches its API server.

    Raises:
        ClusterError: the file cannot be read or says nothing usable.
    """
    try:
        loaded = await asyncio.to_thread(_Loaded, path)
    except Exception as error:  # the package raises its own and yaml's, json's and the system's errors
        raise ClusterError(f"unable to load kubeconfig {path}: {error}") from error
    configuration = loaded.configuration
    tls = TLSConfig(
        ca_file=configuration.ssl_ca_cert or "",
        cert_file=configuration.cert_file or "",
        key_file=configuration.key_file or "",
        server_name=getattr(configuration, "tls_server_name", None) or "",
        insecure_skip_verify=not configuration.verify_ssl,
    )
    http = HTTPClientConfig(tls_config=tls, proxy_url=configuration.proxy or "")
    return Access(str(configuration.host).rstrip("/"), http, _Token(path, loaded).headers)
