"""Ways to a fake API server: without credentials, in the clear."""

import httpx

from pyscrape.discovery.kubernetes.cluster import Access
from pyscrape.net.streams import Streams


def plain_streams(access: Access) -> Streams:
    """The way of `access` without TLS and without its credentials."""
    url = access.url.replace("https://", "http://")
    return Streams(httpx.AsyncClient(base_url=url, trust_env=False))
