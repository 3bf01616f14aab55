"""The admin API: off by default; deletes, snapshots."""

from pathlib import Path

from pyscrape.store import Store
from tests.helpers.web_client import client_of, make_services

DELETE, SNAPSHOT = "/api/v1/admin/tsdb/delete_series", "/api/v1/admin/tsdb/snapshot"


def store_of_two() -> Store:
    store = Store()
    for job in ("a", "b"):
        store.append({"__name__": "up", "job": job}, range(0, 10_000, 1000), range(10))
    return store


async def test_it_is_off_by_default() -> None:
    store = store_of_two()
    async with client_of(make_services(store)) as client:
        for path in (DELETE, SNAPSHOT, "/api/v1/admin/tsdb/clean_tombstones"):
            answer = await client.http.post(path, params={"match[]": "up"})
            assert answer.json()["error"] == "admin APIs disabled"
    assert [len(times) for _, times, _ in store.samples([])] == [10, 10]


async def test_samples_are_deleted() -> None:
    store = store_of_two()
    async with client_of(make_services(store, enable_admin_api=True)) as client:
        asked = {"match[]": 'up{job="a"}', "start": "2", "end": "4"}
        assert (await client.http.post(DELETE, params=asked)).status_code == 204
        assert (await client.http.post("/api/v1/admin/tsdb/clean_tombstones")).status_code == 204
        assert (await client.http.post(DELETE)).json()["error"] == "no match[] parameter provided"
        broken = (await client.http.post(DELETE, params={"match[]": "up{"})).json()
        assert broken["error"].startswith('invalid parameter "match[]": 1:4: parse error')
        assert (await client.http.post(DELETE, params={"match[]": "{}"})).status_code == 204
        assert [times.tolist()[:3] for _, times, _ in store.samples([])] == [
            [0, 1000, 5000],
            [0, 1000, 2000],
        ]
        assert (await client.http.post(DELETE, params={"match[]": '{none=~".*"}'})).status_code == 204
    assert [len(times) for _, times, _ in store.samples([])] == []


async def test_skip_head_is_a_boolean_without_a_meaning(tmp_path: Path) -> None:
    services = make_services(store_of_two(), enable_admin_api=True, storage_path=str(tmp_path))
    async with client_of(services) as client:
        wrong = (await client.http.post(SNAPSHOT, params={"skip_head": "x"})).json()
        made = (await client.http.post(SNAPSHOT, params={"skip_head": "true"})).json()
    reason = 'unable to parse boolean: strconv.ParseBool: parsing "x": invalid syntax'
    assert wrong["error"] == f'invalid parameter "skip_head": {reason}'
    assert made["status"] == "success" and made["warnings"] == [
        "skip_head has no effect: there is no head beside blocks, all samples are in the snapshot"
    ]


async def test_a_snapshot_can_be_opened(tmp_path: Path) -> None:
    store = store_of_two()
    services = make_services(store, enable_admin_api=True, storage_path=str(tmp_path))
    async with client_of(services) as client:
        name = (await client.http.post(SNAPSHOT)).json()["data"]["name"]
    copy = Store()
    copy.open(tmp_path / "snapshots" / name)
    assert [times.tolist() for _, times, _ in copy.samples([])] == [list(range(0, 10_000, 1000))] * 2
    copy.close()


async def test_without_a_path_there_is_no_snapshot() -> None:
    async with client_of(make_services(enable_admin_api=True)) as client:
        answer = await client.http.post(SNAPSHOT)
    assert answer.json()["error"] == "there is no --storage.tsdb.path to write a snapshot to"
