"""The service log keeps the newest state changes of every part of the program."""

import logging
from collections.abc import Iterator

import pytest

from pyscrape.app import log
from pyscrape.app.service_log import KEPT_OF_A_PART, ServiceLog


@pytest.fixture
def kept() -> Iterator[ServiceLog]:
    own = logging.getLogger("pyscrape")
    level, handlers = own.level, list(own.handlers)
    service_log = ServiceLog()
    log.remember(service_log)
    yield service_log
    own.handlers[:] = handlers
    own.setLevel(level)


def test_the_newest_comes_first_with_its_fields(kept: ServiceLog) -> None:
    logging.getLogger("pyscrape").error("Error reloading config", extra={"err": "line 3"})
    logging.getLogger("pyscrape.scrape").info("job %s: up again", "a")
    logging.getLogger("pyscrape.scrape").debug("not this")
    logging.getLogger("other").error("nor this")
    found = kept.entries()
    assert [(one.level, one.part, one.message, dict(one.fields)) for one in found] == [
        ("info", "scrape", "job a: up again", {}),
        ("error", "server", "Error reloading config", {"err": "line 3"}),
    ]


def test_many_of_a_part_do_not_push_out_others(kept: ServiceLog) -> None:
    logging.getLogger("pyscrape").info("reloaded")
    for number in range(3 * KEPT_OF_A_PART):
        logging.getLogger("pyscrape.scrape").warning("target %d is down", number)
    found = kept.entries()
    assert len(found) == KEPT_OF_A_PART + 1
    assert found[0].message == f"target {3 * KEPT_OF_A_PART - 1} is down"
    assert found[-1].message == "reloaded"


def test_an_exception_is_a_field_and_long_texts_are_cut(kept: ServiceLog) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("pyscrape.remote").exception("x" * 10_000)
    (one,) = kept.entries()
    assert one.fields == {"err": "ValueError('no')"}
    assert len(one.message) == 2_000


def test_it_hears_what_the_log_level_keeps_from_standard_error(kept: ServiceLog) -> None:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        log.set_up("error", "logfmt")
        log.remember(kept)
        logging.getLogger("pyscrape.discovery").info("again")
        assert root.handlers[0].level == logging.ERROR
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    assert [one.message for one in kept.entries()] == ["again"]
