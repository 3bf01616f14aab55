"""`/api/v1/admin/tsdb/*`, behind `--web.enable-admin-api`."""

from collections.abc import Callable

from pyscrape.web.answers import Answer, ApiError
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

NAMES = ("delete_series", "clean_tombstones", "snapshot")


class AdminApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [Mount(f"/api/v1/admin/tsdb/{name}", self._endpoint(name), ("POST", "PUT")) for name in NAMES]

    def _endpoint(self, name: str) -> Callable[[Call], Answer]:
        def answer(call: Call) -> Answer:
            if not self._services.options.enable_admin_api:
                raise ApiError("unavailable", "admin APIs disabled")
            raise ApiError("unavailable", f"{name} is not supported by pyscrape yet")

        return answer
