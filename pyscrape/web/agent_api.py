"""What an agent answers where a server has samples: "unavailable with Prometheus Agent", in Prometheus' words.

Each of these was asked of `prometheus --agent`; /federate and the admin API are no exception.
"""

from pyscrape.web.answers import Answer, ApiError, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices

UNAVAILABLE = "unavailable with Prometheus Agent"
WITHOUT_STORE = "unsupported operation with WAL-only storage"
READ = ("GET", "POST")
CHANGE = ("POST", "PUT")
PATHS = (
    ("query", READ),
    ("query_range", READ),
    ("query_exemplars", READ),
    ("format_query", READ),
    ("parse_query", READ),
    ("labels", READ),
    ("label/{name}/values", ("GET",)),
    ("series", ("GET", "POST", "DELETE")),
    ("alertmanagers", ("GET",)),
    ("rules", ("GET",)),
    ("alerts", ("GET",)),
    ("status/tsdb", ("GET",)),
    ("admin/tsdb/delete_series", CHANGE),
    ("admin/tsdb/clean_tombstones", CHANGE),
    ("admin/tsdb/snapshot", CHANGE),
)


class AgentApi:
    def __init__(self, services: AgentServices) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        refused = [Mount(f"/api/v1/{path}", self.unavailable, methods) for path, methods in PATHS]
        return [*refused, Mount("/federate", self.federate), Mount("/api/v1/write", self.write, ("POST",))]

    def unavailable(self, call: Call) -> Answer:
        raise ApiError("execution", UNAVAILABLE)

    def federate(self, call: Call) -> Answer:
        return text(WITHOUT_STORE, 500)

    def write(self, call: Call) -> Answer:
        return text("an agent does not receive remote write; send to its endpoints instead", 404)
