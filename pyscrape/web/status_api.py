"""`/api/v1/status/*`: configuration, flags, runtime, build, what the store holds."""

from pyscrape.web.answers import Answer, ApiError, success
from pyscrape.web.params import format_time, go_int
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices, Services

MOST_TSDB_ROWS = 10_000


class StatusApi:
    def __init__(self, services: AgentServices) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        base = "/api/v1/status"
        return [
            Mount(f"{base}/config", self.config, place="thread"),
            Mount(f"{base}/flags", self.flags),
            Mount(f"{base}/runtimeinfo", self.runtime),
            Mount(f"{base}/buildinfo", self.build),
            Mount(f"{base}/walreplay", self.replay),
            Mount(f"{base}/remote_write", self.remote_write),
            Mount(f"{base}/log", self.log),
        ]

    def config(self, call: Call) -> Answer:
        return success({"yaml": self._services.config_yaml()})

    def flags(self, call: Call) -> Answer:
        return success(dict(self._services.flags))

    def runtime(self, call: Call) -> Answer:
        return success(dict(self._services.runtime()), warnings=self._services.notes())

    def build(self, call: Call) -> Answer:
        return success(dict(self._services.build))

    def remote_write(self, call: Call) -> Answer:
        """How each endpoint of remote write is doing; only pyscrape has this one."""
        return success({"endpoints": list(self._services.remote_write())})

    def log(self, call: Call) -> Answer:
        """The last state changes, the newest first; `part` chooses those of one. Only pyscrape has this one."""
        part = call.params.first("part")
        return success(
            {
                "entries": [
                    {
                        "time": format_time(one.at_s),
                        "level": one.level,
                        "part": one.part,
                        "message": one.message,
                        "fields": dict(one.fields),
                    }
                    for one in self._services.log()
                    if part in ("", one.part)
                ]
            }
        )

    def replay(self, call: Call) -> Answer:
        return success({"min": 0, "max": 0, "current": 0, "state": "done"})


class StoreStatusApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        base = "/api/v1/status/tsdb"
        return [Mount(base, self.tsdb, place="thread"), Mount(f"{base}/blocks", self.blocks)]

    def blocks(self, call: Call) -> Answer:
        """There are none: what Prometheus keeps in blocks is in memory here, and in a format of its own on disk."""
        return success({"blocks": []})

    def tsdb(self, call: Call) -> Answer:
        limit = 10
        if call.params.first("limit"):
            try:
                limit = go_int(call.params.first("limit"))
            except ValueError:
                limit = 0
            if limit < 1:
                raise ApiError("bad_data", "limit must be a positive number")
            if limit > MOST_TSDB_ROWS:
                raise ApiError("bad_data", f"limit must not exceed {MOST_TSDB_ROWS}")
        return success(self._services.store.cardinality(limit))
