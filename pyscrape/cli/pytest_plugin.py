"""A pytest plugin that collects `*.relabel.yml` and `*.relabel.yaml`, one test a case.

It is not active by itself: `pytest -p pyscrape.cli.pytest_plugin`, or in a conftest.py at the root:

    pytest_plugins = ["pyscrape.cli.pytest_plugin"]
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyscrape.cli.relabel_cases import RelabelCase, RelabelTestFile, TestFileError, read_tests

_SUFFIXES = (".relabel.yml", ".relabel.yaml")


class RelabelFailed(Exception):  # noqa: N818 - what happened, as pytest's own outcomes are named
    """A case whose result is not the expected one."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take files of relabel tests."""
    if file_path.name.endswith(_SUFFIXES):
        collected: pytest.Collector = _File.from_parent(parent, path=file_path)
        return collected
    return None


class _File(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        try:
            file = read_tests(self.path)
        except TestFileError as error:
            raise self.CollectError(str(error)) from None
        for case in file.tests.cases:
            yield _Case.from_parent(self, name=case.name, file=file, case=case)


class _Case(pytest.Item):
    def __init__(self, *, file: RelabelTestFile, case: RelabelCase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._file = file
        self._case = case

    def runtest(self) -> None:
        result = self._file.run(self._case)
        if not result.passed:
            raise RelabelFailed("\n".join([*result.failures, "", result.details]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, RelabelFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._case.line - 1, self.name
