"""What a configuration can say about tokens from Azure Active Directory; imported when a file uses them."""

import re

from pyscrape.model.kinds import SECRET, TEXT
from pyscrape.model.settings import Secret, Section, SectionKind, Settings, setting

_CLOUDS = ("AzurePublic", "AzureChina", "AzureGovernment")
_TENANT = r"[0-9a-zA-Z.-]+"
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# The forms that Go's most used library takes.
_UUIDS = rf"(?i)(urn:uuid:)?{_UUID}|\{{{_UUID}\}}|[0-9a-f]{{32}}"


def _require(section: Section, kind: str, *fields: str) -> None:
    for name in fields:
        if not section[name] and name not in section.failed:
            section.error(f"must provide an Azure {kind} {name} in the Azure AD config", name)


def _check_ids(section: Section, kind: str, *, client: str = "", tenant: str = "") -> None:
    if client and not re.fullmatch(_UUIDS, client):
        section.error(
            f"the provided Azure {kind} client_id is invalid", "client_id", hint="a client id is a UUID"
        )
    if tenant and not re.fullmatch(_TENANT, tenant):
        section.error(
            f"the provided Azure {kind} tenant_id is invalid",
            "tenant_id",
            hint="a tenant id is a UUID or a domain name",
        )


class AzureManagedIdentity(Settings, go_type="azuread.ManagedIdentityConfig"):
    """A managed identity; the system's own when no client id is given."""

    client_id: str = setting(TEXT, "Client id; the system's own identity without one.")

    @classmethod
    def finish(cls, section: Section) -> None:
        _check_ids(section, "Managed Identity", client=section["client_id"])


class AzureWorkloadIdentity(Settings, go_type="azuread.WorkloadIdentityConfig"):
    """A workload identity."""

    client_id: str = setting(TEXT, "Client id (required).")
    tenant_id: str = setting(TEXT, "Tenant id (required).")
    token_file_path: str = setting(TEXT, "File of the federated token.")

    @classmethod
    def finish(cls, section: Section) -> None:
        _require(section, "Workload Identity", "client_id", "tenant_id")
        _check_ids(section, "Workload Identity", client=section["client_id"], tenant=section["tenant_id"])


class AzureOAuth(Settings, go_type="azuread.OAuthConfig"):
    """Client credentials of an application."""

    client_id: str = setting(TEXT, "Client id (required).")
    client_secret: Secret = setting(SECRET, "Client secret (required).")
    tenant_id: str = setting(TEXT, "Tenant id (required).")

    @classmethod
    def finish(cls, section: Section) -> None:
        _require(section, "OAuth", "client_id", "client_secret", "tenant_id")
        _check_ids(section, "OAuth", client=section["client_id"], tenant=section["tenant_id"])


class AzureSDK(Settings, go_type="azuread.SDKConfig"):
    """Credentials that Azure's library finds by itself."""

    tenant_id: str = setting(TEXT, "Tenant id.")

    @classmethod
    def finish(cls, section: Section) -> None:
        _check_ids(section, "OAuth", tenant=section["tenant_id"])


class AzureADConfig(Settings, go_type="azuread.AzureADConfig"):
    """Tokens from Azure Active Directory."""

    managed_identity: AzureManagedIdentity | None = setting(
        SectionKind(AzureManagedIdentity, optional=True), "A managed identity."
    )
    workload_identity: AzureWorkloadIdentity | None = setting(
        SectionKind(AzureWorkloadIdentity, optional=True), "A workload identity."
    )
    oauth: AzureOAuth | None = setting(SectionKind(AzureOAuth, optional=True), "Client credentials.")
    sdk: AzureSDK | None = setting(SectionKind(AzureSDK, optional=True), "The library's own search.")
    cloud: str = setting(TEXT, f"{', '.join(_CLOUDS[:-1])} or {_CLOUDS[-1]}.")
    scope: str = setting(TEXT, "Scope of the token.")

    @classmethod
    def finish(cls, section: Section) -> None:
        methods = ("managed_identity", "workload_identity", "oauth", "sdk")
        given = [name for name in methods if section[name] is not None or name in section.failed]
        if not given:
            section.error(
                "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure SDK in the"
                " Azure AD config"
            )
        elif len(given) > 1:
            section.error(
                "cannot provide multiple authentication methods in the Azure AD config",
                given[1],
                problem_id="conflicting-fields",
                hint=f"keep one of {', '.join(given)}",
            )
        if section["cloud"] not in ("", *_CLOUDS):
            section.error(
                "must provide a cloud in the Azure AD config", "cloud", hint=f"one of {', '.join(_CLOUDS)}"
            )
