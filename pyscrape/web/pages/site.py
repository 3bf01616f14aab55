"""All pages: which there are, and what leads to them."""

from pyscrape.web.answers import Answer
from pyscrape.web.pages import assets
from pyscrape.web.pages.discovery_page import DiscoveryPage
from pyscrape.web.pages.relabel_page import RelabelPage
from pyscrape.web.pages.render import Renderer
from pyscrape.web.pages.status_page import StatusPage
from pyscrape.web.pages.targets_page import TargetsPage
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices, Services

PAGES = (TargetsPage, DiscoveryPage, RelabelPage, StatusPage)


class Pages:
    """The pages of one server."""

    def __init__(self, services: AgentServices) -> None:
        self._services = services
        self._render = Renderer(services)

    def mounts(self) -> list[Mount]:
        own = [Mount("/", self.home), Mount("/favicon.ico", self.icon), *assets.mounts()]
        own += [mount for page in PAGES for mount in page(self._services, self._render).mounts()]
        if isinstance(self._services, Services):
            from pyscrape.web.pages.query_page import QueryPage

            return own + QueryPage(self._services, self._render).mounts()
        return [*own, Mount("/agent", self.agent)]

    def home(self, call: Call) -> Answer:
        return self._render.redirect("/query" if isinstance(self._services, Services) else "/agent")

    def agent(self, call: Call) -> Answer:
        return self._render.redirect("/targets")

    def icon(self, call: Call) -> Answer:
        return self._render.redirect(assets.asset_path("icon.svg"))
