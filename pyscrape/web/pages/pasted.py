"""What people paste on the relabel page: labels of a target, or Kubernetes objects that discovery makes targets of."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyscrape.targets.manifests import guessed_targets, object_targets, read_manifests
from pyscrape.targets.populate import DEFAULTS, discovered_labels, job_defaults
from pyscrape.web.pages.label_text import parse_labels

if TYPE_CHECKING:
    from pyscrape.scrape.pool import Pool

_OBJECT = re.compile(r"^[\s{]*[\"']?(?:apiVersion|kind)[\"']?\s*:", re.MULTILINE)


def looks_like_object(text: str) -> bool:
    """
    >>> [looks_like_object(text) for text in ("kind: Pod", '{"apiVersion": "v1"}', 'kind="Pod"')]
    [True, True, False]
    """
    return _OBJECT.search(text) is not None


def pasted_targets(text: str, pool: "Pool | None") -> list[Mapping[str, str]]:
    """The labels before relabeling of every target that `text` stands for; none for an empty text.

    A job's own Kubernetes discoveries read objects; where it has none, the kind of the object says the role. What
    labels lack that every target of the job has is filled in.

    Raises:
        LabelTextError: the text is neither labels nor objects.
        InputError: discovery makes nothing of the objects.
    """
    config = pool.job.config if pool is not None else None
    defaults = dict(DEFAULTS) if config is None else job_defaults(config)
    if not looks_like_object(text):
        labels = parse_labels(text)
        return [{**defaults, **labels}] if labels else []
    objects = read_manifests(text)
    if config is not None and config.kubernetes_sd_configs:
        found = object_targets(config, objects)
    else:
        found = guessed_targets(objects)
    return [discovered_labels(own, group, defaults) for own, group in found]
