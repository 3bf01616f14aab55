"""Azure AD credentials of remote write: what is refused, in Prometheus' words."""

import pytest

from pyscrape.config import check_text

ID = "0a1b2c3d-0000-1111-2222-33333333abcd"
# ruff: noqa: E501  (cases are data, one line each)
CASES = [
    ("managed_identity: {}", []),
    (f"managed_identity: {{client_id: {ID}}}", []),
    (f"managed_identity: {{client_id: '{{{ID}}}'}}", []),
    (f"managed_identity: {{client_id: 'urn:uuid:{ID.upper()}'}}", []),
    (f"workload_identity: {{client_id: {ID}, tenant_id: contoso.com}}", []),
    ("sdk: {}", []),
    ("cloud: AzurePublic", ["must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure SDK in the Azure AD config"]),
    ("cloud: Azure, sdk: {}", ["must provide a cloud in the Azure AD config"]),
    ("managed_identity: {client_id: a}", ["the provided Azure Managed Identity client_id is invalid"]),
    ("managed_identity: {}, sdk: {}", ["cannot provide multiple authentication methods in the Azure AD config"]),
    ("workload_identity: {}", ["must provide an Azure Workload Identity client_id in the Azure AD config", "must provide an Azure Workload Identity tenant_id in the Azure AD config"]),
    (f"oauth: {{client_id: {ID}, tenant_id: b}}", ["must provide an Azure OAuth client_secret in the Azure AD config"]),
    ("oauth: {client_id: a, client_secret: b, tenant_id: c}", ["the provided Azure OAuth client_id is invalid"]),
    ("sdk: {tenant_id: 'a b'}", ["the provided Azure OAuth tenant_id is invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("section", "messages"), CASES, ids=[str(i) for i in range(len(CASES))])
def test_azure_credentials(section: str, messages: list[str]) -> None:
    found = check_text(f"remote_write: [{{url: 'https://a.example/w', azuread: {{{section}}}}}]")
    assert sorted(p.message for p in found if p.severity == "error") == sorted(messages)
