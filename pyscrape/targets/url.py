"""The URL of a target out of its labels, escaped as Go's net/url does it.

A `?` in `__metrics_path__` is part of the path and becomes `%3F`: the query comes from `params` and `__param_*`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

PARAM_PREFIX = "__param_"

_HOST_SAFE = "!$&'()*+,;=:[]<>\"-_.~"
_PATH_SAFE = "$&+,/:;=@-_.~"


def target_url(labels: Mapping[str, str], params: Mapping[str, Sequence[str]]) -> str:
    """`__scheme__://__address__` + `__metrics_path__` + the sorted query.

    >>> target_url({"__scheme__": "http", "__address__": "a:1", "__metrics_path__": "/m", "__param_x": "y"}, {})
    'http://a:1/m?x=y'
    """
    scheme = labels.get("__scheme__", "")
    host = quote(labels.get("__address__", ""), safe=_HOST_SAFE)
    if not host and labels.get("__unix_socket__"):
        host = "localhost"
    path = _escaped_path(labels.get("__metrics_path__", ""))
    merged = merge_params(labels, params)
    query = encode_query(merged) if merged else ""
    # Without a scheme Go's URL begins with the slashes.
    return (f"{scheme}://" if scheme else "//") + f"{host}{path}" + (f"?{query}" if query else "")


@lru_cache(maxsize=1024)  # the targets of a job share their path
def _escaped_path(path: str) -> str:
    # Go leaves a path alone that is nothing but a star, as `OPTIONS *` has it.
    escaped = path if path == "*" else quote(path, safe=_PATH_SAFE)
    return "/" + escaped if escaped and not escaped.startswith("/") else escaped


def merge_params(labels: Mapping[str, str], params: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The job's `params` with each `__param_x` label in the place of the first value of x."""
    merged = {name: list(values) for name, values in params.items()}
    for name in [name for name in labels if name.startswith(PARAM_PREFIX)]:
        values = merged.setdefault(name[len(PARAM_PREFIX) :], [""])
        values[:1] = [labels[name]]
    return merged


def encode_query(params: Mapping[str, Sequence[str]]) -> str:
    """`b=1&a=2` with sorted keys, blanks as `+`."""
    return "&".join(
        f"{quote_plus(name, safe='~')}={quote_plus(value, safe='~')}"
        for name in sorted(params)
        for value in params[name]
    )
