"""What is held against discoveries that are not run here: one row a rule, in Prometheus' words."""

import pytest

from pyscrape.config import ConfigError, parse_config
from pyscrape.discovery.settings import FOREIGN

# ruff: noqa: E501  (cases are data, one line each)
REFUSED = [
    ("aws", "{role: s3, region: a}", 'unknown AWS SD role "s3"'),
    ("aws", "{region: a}", 'unknown AWS SD role ""'),
    ("azure", "{subscription_id: a, tenant_id: b, client_id: c}", "azure SD configuration requires a client_secret"),
    ("azure", "{subscription_id: a, authentication_method: x}", 'unknown authentication_type "x". Supported types are "OAuth", "ManagedIdentity", "SDK" or "WorkloadIdentity"'),
    ("digitalocean", "{role: clusters}", 'unknown DigitalOcean SD role "clusters"'),
    ("docker", "{}", "host missing"),
    ("dockerswarm", "{host: 'http://a'}", "role missing (one of: tasks, services, nodes)"),
    ("dockerswarm", "{host: 'http://a', role: x}", "invalid role x, expected tasks, services, or nodes"),
    ("ec2", "{region: a, filters: [{name: b}]}", "EC2 SD configuration filter values cannot be empty"),
    ("eureka", "{server: ''}", "eureka_sd: empty or null eureka server"),
    ("eureka", "{server: a.b}", "eureka_sd: invalid eureka server URL"),
    ("gce", "{zone: a}", "GCE SD configuration requires a project"),
    ("hetzner", "{}", "role missing (one of: robot, hcloud)"),
    ("ionos", "{}", "datacenter id can't be empty"),
    ("kuma", "{server: a}", "kuma SD server must not be empty and have a scheme: a"),
    ("marathon", "{servers: [a], auth_token: b, authorization: {credentials: c}}", "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured"),
    ("nerve", "{servers: [a], paths: [b]}", "nerve SD config paths must begin with '/': b"),
    ("serverset", "{paths: [/b]}", "serverset SD config must contain at least one Zookeeper server"),
    ("nomad", "{server: ' '}", "nomad SD configuration requires a server address"),
    ("oci", "{}", "oci_sd: region is required"),
    ("oci", "{region: a, tenancy: b, user: c, fingerprint: d}", "oci_sd: api_key auth requires key_file"),
    ("oci", "{region: a, auth: instance_principal, user: b}", "oci_sd: instance_principal auth must not have tenancy, user, fingerprint, key_file, key_passphrase, or key_passphrase_file set"),
    ("oci", "{region: a, auth: instance_principal, compartments: ['']}", "oci_sd: compartments[0] must not be empty"),
    ("openstack", "{role: instance}", "openstack SD configuration requires a region"),
    ("openstack", "{role: instance, region: a, availability: b}", "unknown availability b, must be one of admin, internal or public"),
    ("outscale", "{}", "outscale SD configuration requires access_key and secret_key"),
    ("ovhcloud", "{application_key: a, application_secret: b, consumer_key: c, service: d}", "unknown service: d"),
    ("puppetdb", "{url: 'ftp://a', query: b}", "URL scheme must be 'http' or 'https'"),
    ("puppetdb", "{url: 'http://', query: b}", "host is missing in URL"),
    ("scaleway", "{role: instance, project_id: a, secret_key: b}", "access_key is mandatory"),
    ("stackit", "{region: ''}", "stackit_sd: endpoint and region missing"),
    ("triton", "{account: a, dns_suffix: b}", "triton SD configuration requires an endpoint"),
    ("uyuni", "{server: a, username: b}", "Uyuni SD configuration requires a password"),
    ("vultr", "{bearer_token: a, bearer_token_file: b}", "at most one of bearer_token & bearer_token_file must be configured"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "section", "message"), REFUSED, ids=[f"{row[0]}-{i}" for i, row in enumerate(REFUSED)]
)
def test_refused(name: str, section: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"scrape_configs: [{{job_name: a, {name}_sd_configs: [{section}]}}]")
    assert message in [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize("name", FOREIGN)
def test_every_one_is_known(name: str) -> None:
    """An unknown field is refused, so the section itself is understood; null is none."""
    with pytest.raises(ConfigError) as caught:
        parse_config(f"scrape_configs: [{{job_name: a, {name}_sd_configs: [{{no_such_field: a}}, ~]}}]")
    messages = [problem.message for problem in caught.value.problems]
    assert any(message.startswith("unknown field `no_such_field`") for message in messages)
    assert f"empty or null section in {name}_sd_configs" in messages
