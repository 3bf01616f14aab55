"""The pages: HTML made here from templates, with every text from outside escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from pyscrape.scrape.loop import Loop
from pyscrape.web.answers import Answer
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Pages:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._templates = Environment(
            loader=PackageLoader("pyscrape.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def mounts(self) -> list[Mount]:
        return [Mount("/", self.home), Mount("/targets", self.targets, place="thread")]

    def _page(self, template: str, title: str, **values: object) -> Answer:
        options = self._services.options
        text = self._templates.get_template(template).render(
            title=title, page_title=options.page_title, prefix=options.prefix, **values
        )
        return Answer(text.encode(), 200, "text/html; charset=utf-8", dict(HEADERS))

    def home(self, call: Call) -> Answer:
        return Answer(b"", 302, "text/plain", {"Location": f"{self._services.options.prefix}/targets"})

    def targets(self, call: Call) -> Answer:
        now_s = self._services.now_s()
        pools = []
        for name, pool in sorted(self._services.pools.pools.items()):
            targets = [_target_row(loop, now_s) for loop in list(pool.loops.values())]
            pools.append(
                {"name": name, "targets": targets, "up": sum(row["health"] == "up" for row in targets)}
            )
        return self._page("targets.html", "Targets", pools=pools)


def _target_row(loop: Loop, now_s: float) -> dict[str, object]:
    status = loop.status
    never = status.last_scrape_s is None
    return {
        "url": loop.target.url,
        "health": status.health,
        "labels": loop.target.labels.pairs,
        "age": "never"
        if status.last_scrape_s is None
        else f"{max(0.0, now_s - status.last_scrape_s):.1f}s ago",
        "duration": "" if never else f"{status.last_duration_s * 1000:.1f}ms",
        "samples": status.scraped,
        "error": status.last_error,
        "advice": status.advice,
    }
