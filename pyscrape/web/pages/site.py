"""All pages: which there are, and what leads to them.

A page's module, and the template engine with it, is imported in a thread when the page is first asked for: a server at
whose pages nobody looks is spared 3 MB, and a start does not wait for them.
"""

import asyncio
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pyscrape.web.answers import Answer
from pyscrape.web.pages import assets
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices, Services

if TYPE_CHECKING:
    from pyscrape.web.pages.render import Renderer

MOST_RELABEL_BYTES = 4 << 20
# Prometheus' own pages lead to the section of the status that shows the same.
SECTIONS = {"/config": "config", "/flags": "flags", "/tsdb-status": "cardinality"}


class Pages:
    """The pages of one server."""

    def __init__(self, services: AgentServices) -> None:
        self._services = services
        self._made: dict[str, Any] = {}

    def mounts(self) -> list[Mount]:
        own = [
            Mount("/", self.home),
            Mount("/favicon.ico", self.icon),
            *assets.mounts(),
            Mount("/targets", self._shown("targets_page.TargetsPage"), place="thread"),
            Mount("/service-discovery", self._shown("discovery_page.DiscoveryPage"), place="thread"),
            Mount(
                "/relabel",
                self._shown("relabel_page.RelabelPage"),
                ("GET", "POST"),
                place="thread",
                most_body_bytes=MOST_RELABEL_BYTES,
            ),
            Mount("/status", self.status),
            *(Mount(path, self._leading_to(f"/status#{section}")) for path, section in SECTIONS.items()),
        ]
        if isinstance(self._services, Services):
            return [*own, Mount("/query", self.query, place="thread"), Mount("/graph", self.graph)]
        return [*own, Mount("/agent", self._leading_to("/targets"))]

    @cached_property
    def _render(self) -> "Renderer":
        from pyscrape.web.pages.render import Renderer

        return Renderer(self._services)

    def _page(self, name: str) -> Any:
        """The page that a class of a module here is."""
        page = self._made.get(name)
        if page is None:
            module, kind = name.split(".")
            make = getattr(import_module(f"pyscrape.web.pages.{module}"), kind)
            page = self._made[name] = make(self._services, self._render)
        return page

    def _shown(self, name: str) -> Callable[[Call], Answer]:
        def show(call: Call) -> Answer:
            answer: Answer = self._page(name).show(call)
            return answer

        return show

    async def status(self, call: Call) -> Answer:
        """The one page that looks at what belongs to the loop."""
        page = await asyncio.to_thread(self._page, "status_page.StatusPage")
        answer: Answer = await page.show(call)
        return answer

    def query(self, _call: Call) -> Answer:
        """A frame for the script under `ui/`, which asks the API."""
        return self._render.page("query.html", "query")

    # What leads to a page needs no template.

    def home(self, call: Call) -> Answer:
        return self._redirect("/query" if isinstance(self._services, Services) else "/agent")

    def graph(self, call: Call) -> Answer:
        """Prometheus' older name of `/query`; links to `/graph?g0.expr=...` keep their parameters."""
        fields = urlencode(call.params.items())
        return self._redirect(f"/query?{fields}" if fields else "/query")

    def icon(self, call: Call) -> Answer:
        return self._redirect(assets.asset_path("icon.svg"))

    def _leading_to(self, path: str) -> Callable[[Call], Answer]:
        return lambda _call: self._redirect(path)

    def _redirect(self, path: str) -> Answer:
        """An answer that leads to another page; `path` begins with a slash, without the prefix."""
        return Answer(b"", 302, "text/plain", {"Location": self._services.options.prefix + path})
