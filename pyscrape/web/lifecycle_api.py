"""`/-/healthy`, `/-/ready`, `/-/reload`, `/-/quit`, `/version` and `/metrics`."""

import orjson

from pyscrape.web.answers import Answer, not_ready, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices, Services


class LifecycleApi:
    def __init__(self, services: AgentServices) -> None:
        self._services = services
        self._kind = "Server" if isinstance(services, Services) else "Agent"

    def mounts(self) -> list[Mount]:
        every = ("GET", "POST", "PUT", "HEAD")
        return [
            Mount("/-/healthy", self.healthy, ("GET", "HEAD")),
            Mount("/-/ready", self.ready, ("GET", "HEAD")),
            Mount("/-/reload", self.reload, every),
            Mount("/-/quit", self.quit, every),
            Mount("/metrics", self.metrics),
            Mount("/version", self.version),
        ]

    def healthy(self, call: Call) -> Answer:
        return text(f"Prometheus {self._kind} is Healthy.\n")

    def ready(self, call: Call) -> Answer:
        if self._services.ready():
            return text(f"Prometheus {self._kind} is Ready.\n")
        return not_ready(self._services.stopping())

    def _refused(self, call: Call) -> Answer | None:
        if call.method not in {"POST", "PUT"}:
            return Answer(
                b"Only POST or PUT requests allowed", 405, "text/plain; charset=utf-8", {"Allow": "POST, PUT"}
            )
        if not self._services.options.enable_lifecycle:
            return text("Lifecycle API is not enabled.", 403)
        return None

    async def reload(self, call: Call) -> Answer:
        """Take the configuration file in again; the findings of the check come back as JSON.

        200 with an empty body is what Prometheus answers; scripts look at the code alone.
        """
        refused = self._refused(call)
        if refused is not None:
            return refused
        outcome = await self._services.reload()
        if outcome.error and "application/json" not in call.header("accept"):
            return text(f"failed to reload config: {outcome.error}\n", 500)
        body = {"reloaded": not outcome.error, "error": outcome.error, "findings": list(outcome.findings)}
        return Answer(orjson.dumps(body), 500 if outcome.error else 200)

    async def quit(self, call: Call) -> Answer:
        refused = self._refused(call)
        if refused is not None:
            return refused
        self._services.quit()
        return text("Requesting termination... Goodbye!")

    def metrics(self, call: Call) -> Answer:
        body, media_type = self._services.metrics()
        return Answer(body, 200, media_type)

    def version(self, call: Call) -> Answer:
        return Answer(orjson.dumps(dict(self._services.build)))
