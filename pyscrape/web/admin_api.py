"""`/api/v1/admin/tsdb/*`, behind `--web.enable-admin-api`: delete series, clean up, write a snapshot."""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from pyscrape.web.answers import Answer, ApiError, success
from pyscrape.web.routes import Call, Mount
from pyscrape.web.series_api import any_matcher_sets, window_ms
from pyscrape.web.services import Services

SLICE_S = 0.01
NO_HEAD = "skip_head has no effect: there is no head beside blocks, all samples are in the snapshot"


class AdminApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        base = "/api/v1/admin/tsdb"
        changing = ("POST", "PUT")
        return [
            Mount(f"{base}/delete_series", self.delete_series, changing),
            Mount(f"{base}/clean_tombstones", self.clean_tombstones, changing),
            Mount(f"{base}/snapshot", self.snapshot, changing, "thread"),
        ]

    def _check(self) -> None:
        if not self._services.options.enable_admin_api:
            raise ApiError("unavailable", "admin APIs disabled")

    async def delete_series(self, call: Call) -> Answer:
        """The series are looked for in a thread, and taken out on the loop, which owns the tables, in slices."""
        self._check()
        call.require_form()
        if not call.params.all("match[]"):
            raise ApiError("bad_data", "no match[] parameter provided")
        start_ms, end_ms = window_ms(call.params)
        sets = [matchers for matchers in any_matcher_sets(call.params, prefixed=True) if matchers]
        store = self._services.store
        release = store.hold_ids()
        try:
            ids = await asyncio.to_thread(store.matching, sets)
            slice_end = perf_counter() + SLICE_S
            for _ in store.deleting(ids, start_ms, end_ms):
                if perf_counter() > slice_end:
                    await asyncio.sleep(0)
                    slice_end = perf_counter() + SLICE_S
        finally:
            release()
        return Answer(b"", 204)

    def clean_tombstones(self, call: Call) -> Answer:
        # Deleted samples are gone at once: there are no tombstones to clean.
        self._check()
        return Answer(b"", 204)

    def snapshot(self, call: Call) -> Answer:
        """A copy of everything under <storage.tsdb.path>/snapshots/<name>; the name is the answer."""
        self._check()
        skip = call.params.boolean("skip_head", "unable to parse boolean")
        path = self._services.options.storage_path
        if not path:
            raise ApiError("unavailable", "there is no --storage.tsdb.path to write a snapshot to")
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ-") + secrets.token_hex(8)
        try:
            self._services.store.snapshot(Path(path, "snapshots", name))
        except OSError as error:
            raise ApiError("internal", f"create snapshot: {error}") from error
        return success({"name": name}, warnings=[NO_HEAD] if skip else [])
