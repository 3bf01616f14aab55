"""What a person has to change so that discovery works: said from the failure alone.

Of all failures of Kubernetes discovery, missing rights are the most frequent and the least visible; for them the
advice is the very rule to add.
"""

import re

from pyscrape.discovery.kubernetes.objects import Source
from pyscrape.discovery.kubernetes.watch import ApiError
from pyscrape.net.streams import StreamError

_USER = re.compile(r'User "([^"]+)"')

RULE = """\
- apiGroups: ["{group}"]
  resources: ["{plural}"]
  verbs: ["list", "watch"]"""


def rule_for(source: Source) -> str:
    """The RBAC rule that reading `source` needs, as it stands under `rules:`."""
    return RULE.format(group=source.resource.group, plural=source.resource.plural)


def advise(error: Exception | None, source: Source) -> str:
    """Advice on a failure of reading `source`, several lines; empty where there is nothing to add to the error."""
    if isinstance(error, ApiError):
        return _advise_status(error, source)
    if isinstance(error, StreamError) and "CERTIFICATE" in str(error).upper():
        return "The API server's certificate was refused: check tls_config.ca_file of kubernetes_sd_configs."
    return ""


def _advise_status(error: ApiError, source: Source) -> str:
    if error.status == 401:
        return (
            "The API server does not know these credentials: the token is wrong, expired or revoked. "
            "A token file is read again for each request, so a new one works at once."
        )
    if error.status == 403:
        found = _USER.search(error.message)
        who = found.group(1) if found else "the account in use"
        if who == "system:anonymous":
            return (
                "The request carried no credentials: in a cluster a service account token must be mounted, "
                "elsewhere kubernetes_sd_configs needs authorization.credentials_file."
            )
        bound = f"a Role in namespace {source.namespace}" if source.namespace else "a ClusterRole"
        return f"{who} lacks a right. Add this rule to {bound} that is bound to it:\n{rule_for(source)}"
    if error.status == 404:
        resource = source.resource
        return (
            f"The API server has no {resource.plural} in {resource.api_version}: it is too old for that, "
            "or is it a Kubernetes API server at all?"
        )
    return ""
