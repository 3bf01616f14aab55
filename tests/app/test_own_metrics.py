"""What /metrics says of this server's own work."""

from pyscrape.app.metrics import OwnMetrics
from pyscrape.app.own_metrics import scrape_families
from pyscrape.exposition.lint import lint_page
from tests.scrape.world import World, play, scrape_config


async def scrape_twice(world: World) -> None:
    world.pages("m 1\n")
    await world.start(scrape_config(scrape_interval="10s"))
    await world.wait(20)


def test_how_late_scrapes_began_is_a_histogram() -> None:
    pools = play(scrape_twice).pools
    for late_s in (0.002, 0.003, 7.0):
        pools.stats.pyscrape_scrape_lateness_seconds.count(late_s)
    page, _ = OwnMetrics([lambda: scrape_families(pools)]).render()
    samples = dict(
        line.removeprefix("pyscrape_scrape_lateness_seconds_").rsplit(" ", 1)
        for line in page.decode().splitlines()
        if line.startswith("pyscrape_scrape_lateness_seconds_")
    )
    # The world's own two scrapes were on time.
    shown = [samples[f'bucket{{le="{bound}"}}'] for bound in ("0.001", "0.002", "0.005", "2.5", "+Inf")]
    assert [*shown, samples["count"], samples["sum"]] == ["2.0", "3.0", "4.0", "4.0", "5.0", "5.0", "7.005"]


def test_the_page_is_as_its_own_lints_want_pages() -> None:
    pools = play(scrape_twice).pools
    assert lint_page(OwnMetrics([lambda: scrape_families(pools)]).render()[0]) == []
