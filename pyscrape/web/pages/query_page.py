"""The query page: a frame for the script under `ui/`, which asks the API; and Prometheus' older name of it."""

from urllib.parse import urlencode

from pyscrape.web.answers import Answer
from pyscrape.web.pages.render import Renderer
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services


class QueryPage:
    """`/query`; links to `/graph?g0.expr=...` keep their parameters."""

    def __init__(self, _services: Services, renderer: Renderer) -> None:
        self._render = renderer

    def mounts(self) -> list[Mount]:
        return [Mount("/query", self.show), Mount("/graph", self.graph)]

    def show(self, call: Call) -> Answer:
        return self._render.page("query.html", "query")

    def graph(self, call: Call) -> Answer:
        fields = urlencode(call.params.items())
        return self._render.redirect(f"/query?{fields}" if fields else "/query")
