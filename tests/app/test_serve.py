"""`pyscrape run` as a process: what it says and answers when it cannot start, and how it ends."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyscrape.exposition.lint import lint_page
from tests.helpers.processes import HOST, fetch, free_port, pyscrape, wait_for

GOOD = "scrape_configs: []\n"
START_S = 20.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pyscrape", "run", *arguments]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--config.file=none.yml"], 2, "(--config.file=none.yml): [Errno 2] No such file or directory"),
        (["--config.file=bad.yml"], 2, "bad.yml:1:1"),
        (["--config.file=log.yml"], 1, 'file=/dev/null/q.log err="Not a directory"'),
        (
            ["--config.file=good.yml", "--web.config.file=none.yml"],
            2,
            "(--web.config.file=none.yml): [Errno 2]",
        ),
        (["--config.file=good.yml", "--web.config.file=bad.yml"], 2, "(--web.config.file=bad.yml)"),
        (["--config.file=good.yml", "--web.listen-address=nonsense"], 2, "expected host:port"),
        (
            ["--web.listen-adress=:1"],
            2,
            "unknown flag --web.listen-adress, did you mean --web.listen-address?",
        ),
        (["--query.max-samples=many"], 2, "--query.max-samples: expected a whole number, got 'many'"),
        (["--query.max-concurrency=0"], 2, "--query.max-concurrency: expected 1 or more, got 0"),
        (["--log.level=loud"], 2, "--log.level: expected one of"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "bad.yml").write_text("scrape_confs: []\n")
    (tmp_path / "log.yml").write_text("global: {query_log_file: /dev/null/q.log}\n")
    ended = subprocess.run(
        command(*arguments), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False)
    assert said in ended.stderr


def test_a_port_in_use(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(GOOD)
    with socket.create_server((HOST, 0)) as other:
        address = f"{HOST}:{other.getsockname()[1]}"
        ended = subprocess.run(
            command(f"--web.listen-address={address}"),
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert (
        f"cannot listen on {address}: Address already in use; another program listens there" in ended.stderr
    )


def wait_for_log(log: Path, text: str) -> str:
    end = time.monotonic() + START_S
    while text not in (said := log.read_text()):
        assert time.monotonic() < end, said
        time.sleep(0.02)
    return said


def test_signals_while_a_scrape_hangs(tmp_path: Path) -> None:
    """A storm of SIGHUPs reloads a few times; SIGTERM ends at once although a target never answers."""
    with socket.create_server((HOST, 0)) as silent:
        config = tmp_path / "prometheus.yml"
        target = f"{HOST}:{silent.getsockname()[1]}"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(f"--web.listen-address={HOST}:{free_port()}"), cwd=tmp_path, stderr=output
            )
        try:
            wait_for_log(log, "Server is ready")
            for _ in range(50):
                process.send_signal(signal.SIGHUP)
            wait_for_log(log, "Completed loading")
            silent.settimeout(30)
            hanging, _ = silent.accept()  # a scrape that is never answered
            with hanging:
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
        said = log.read_text()
        assert "See you next time!" in said
        assert said.count("Completed loading") < 10
        assert "Traceback" not in said


def test_a_second_signal_does_not_wait_for_remote_write(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as silent:
        host = f"{HOST}:{silent.getsockname()[1]}"
        port = free_port()
        (tmp_path / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"remote_write: [{{url: 'http://{host}/'}}]\n"
            f"scrape_configs: [{{job_name: j, static_configs: [{{targets: ['{HOST}:{port}']}}]}}]\n"
        )
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(f"--web.listen-address={HOST}:{port}"), cwd=tmp_path, stderr=output
            )
        try:
            wait_for_log(log, "Server is ready")
            time.sleep(2.5)
            process.send_signal(signal.SIGTERM)
            wait_for_log(log, "Stopping")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 1
        finally:
            process.kill()
            process.wait()
        assert "Stopped at once" in log.read_text()
        assert "Traceback" not in log.read_text()


def test_the_feature_flag_of_the_extra_report_series(tmp_path: Path) -> None:
    own = free_port()
    path = tmp_path / "prometheus.yml"
    path.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 150ms}\n"
        f"scrape_configs: [{{job_name: own, static_configs: [{{targets: ['{HOST}:{own}']}}]}}]\n"
    )
    with pyscrape(path, "--enable-feature=extra-scrape-metrics", port=own) as server:
        found = wait_for("a report", lambda: server.query("scrape_timeout_seconds"))
        assert [one["value"][1] for one in found] == ["0.15"]
        assert lint_page(fetch(server.url + "/metrics")[1]) == []
        assert "enable-feature" not in server.logged()
