"""Ways to a fake API server: without credentials and in the clear, whatever a discovery would use."""

import dataclasses

from pyscrape.discovery.kubernetes.cluster import Access
from pyscrape.net.settings import HTTPClientConfig
from pyscrape.net.streams import Streams, open_streams


def plain_streams(access: Access) -> Streams:
    """The way of `access` without TLS and without its credentials."""
    plain = dataclasses.replace(
        access, url=access.url.replace("https://", "http://"), http=HTTPClientConfig()
    )
    return open_streams(plain.url, plain.http)
