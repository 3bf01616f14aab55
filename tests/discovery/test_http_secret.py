"""A password in the URL of an HTTP discovery is used and never printed."""

from pyscrape.config import parse_config


def test_the_password_of_the_url_is_hidden() -> None:
    url = "http://user:hunter2@sd.example/targets"
    config = parse_config(f"scrape_configs: [{{job_name: a, http_sd_configs: [{{url: '{url}'}}]}}]")
    assert config.scrape_configs[0].http_sd_configs[0].url == url
    assert "hunter2" not in config.to_yaml()
    assert "http://user:xxxxx@sd.example/targets" in config.to_yaml()
