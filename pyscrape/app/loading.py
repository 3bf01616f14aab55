"""The configuration of a run: which file, its findings, and what in it this program does not do yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyscrape.app.flags import Flags
from pyscrape.app.settings import CONFIG_NAME, default_config
from pyscrape.config.load import ConfigError, load_bytes
from pyscrape.config.settings import Config, OTLPConfig, RuntimeConfig
from pyscrape.discovery.make import supported
from pyscrape.model.problems import Problem


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can run, with the findings of its check and one note for each thing that is not done."""

    config: Config
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def config_path(flags: Flags) -> str:
    """The configuration file of this run; empty where it is the embedded one that scrapes itself."""
    given = flags.text("config.file")
    if given:
        return given
    return CONFIG_NAME if Path(CONFIG_NAME).exists() else ""


def describe_source(flags: Flags) -> str:
    """One sentence about where the configuration comes from."""
    path = config_path(flags)
    if flags.text("config.file"):
        return f"configuration from {path}"
    if path:
        return f"configuration from ./{path}"
    return "no --config.file and no ./prometheus.yml: scraping itself"


def load(flags: Flags) -> Loaded:
    """Read the configuration of this run.

    Raises:
        ConfigError: it has mistakes, all of which are in `.problems`; or asks for a discovery that is not run here
            without `--config.skip-unsupported`.
        OSError: the file cannot be read.
    """
    path = config_path(flags)
    raw = Path(path).read_bytes() if path else default_config(flags).encode()
    found = load_bytes(raw, path or "embedded configuration", str(Path(path).parent), agent=flags.on("agent"))
    if found.errors:
        raise ConfigError(found.problems, path)
    skipped = _unsupported_discoveries(found.config, found.problems)
    if skipped and not flags.on("config.skip-unsupported"):
        raise ConfigError([*skipped, *found.problems], path)
    return Loaded(found.config, tuple(found.problems), tuple(notes(found.config, skipped)))


def _unsupported_discoveries(config: Config, problems: Sequence[Problem]) -> list[Problem]:
    """The discoveries that this program does not run, as errors at their places."""
    hint = "take the job out, or start with --config.skip-unsupported to run without it"
    found = []
    for job in config.scrape_configs:
        kinds = [*job.foreign_discoveries(), *(_field(c) for c in job.discoveries() if not supported(c))]
        for kind in kinds:
            place = next((p for p in problems if p.job == job.job_name and kind in p.message), None)
            line, column, file = (
                (place.line, place.column, place.file) if place else (0, 0, config.file or "-")
            )
            message = f"{kind} of job {job.job_name} is not supported by pyscrape run"
            found.append(
                Problem("error", "unsupported-discovery", message, file, line, column, "", job.job_name, hint)
            )
    return found


def _field(discovery: object) -> str:
    return type(discovery).__name__.removesuffix("SDConfig").lower() + "_sd_configs"


def notes(config: Config, skipped: Sequence[Problem] = ()) -> list[str]:
    """What `config` asks for and this program does not do, one sentence each."""
    rows = [
        (config.rule_files, "rule_files: rules are not evaluated yet"),
        (config.alerting is not None and config.alerting.alertmanagers, "alerting: alerts are not sent yet"),
        (config.remote_read, "remote_read is not supported"),
        (config.tracing is not None, "tracing is not supported"),
        (config.otlp != OTLPConfig(), "otlp: the OTLP receiver is not supported"),
        (config.runtime != RuntimeConfig(), "runtime.gogc has no meaning: there is no Go runtime here"),
    ]
    tsdb = config.storage.tsdb if config.storage is not None else None
    if tsdb is not None:
        sized = tsdb.retention is not None and (tsdb.retention.size or tsdb.retention.percentage)
        rows.append(
            (sized, "storage.tsdb.retention: size and percentage are not supported: use --storage.memory.max")
        )
        rows.append(
            (
                tsdb.stale_series_compaction_threshold,
                "storage.tsdb.stale_series_compaction_threshold has no meaning",
            )
        )
        rows.append((tsdb.chunk_encoding, "storage.tsdb.chunk_encoding has no meaning"))
    for remote in config.remote_write:
        where = f"remote_write {remote.name or remote.url}"
        rows.append((remote.send_native_histograms, f"{where}: native histograms are not supported"))
        rows.append((remote.round_robin_dns, f"{where}: round_robin_dns is not supported"))
        signed = remote.sigv4 or remote.azuread or remote.google_iam
        rows.append(
            (signed, f"{where}: sigv4, azuread and google_iam are not supported; requests are not signed")
        )
    for job in config.scrape_configs:
        rows.append(
            (job.scrape_native_histograms, f"job {job.job_name}: native histograms are not supported")
        )
        rows.append(
            (job.convert_classic_histograms_to_nhcb, f"job {job.job_name}: histograms are not converted")
        )
        protobuf = (
            "PrometheusProto" in job.scrape_protocols or job.fallback_scrape_protocol == "PrometheusProto"
        )
        rows.append((protobuf, f"job {job.job_name}: the protobuf format is not supported"))
    return [text for asked, text in rows if asked] + [
        f"{p.message}; the job runs without it" for p in skipped
    ]
