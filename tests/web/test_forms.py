"""Query strings and forms: what Go's readers make of them, tried with the real Prometheus."""

import re
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyscrape.store import Store
from pyscrape.web.app import clean_path
from pyscrape.web.forms import MOST_FIELDS, TooManyFieldsError, media_type, split_multipart, split_query
from tests.helpers.web_client import NOW_S, client_of, make_services, store_with

WRONG = re.compile(r"%(?![0-9a-fA-F]{2})|;")


@given(st.text(st.sampled_from("ab=&+%2Fé;c3 "), max_size=20))
@example("a%C3%A9=%ff&=x&b&&=&a+b=c%2Bd")
def test_a_query_string_is_taken_apart_as_python_does_but_for_wrong_pairs(text: str) -> None:
    right = "&".join(part for part in text.split("&") if not WRONG.search(part))
    found = split_query(text)
    assert found.pairs == parse_qsl(right, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    assert bool(found.wrong) == bool(WRONG.search(text))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a=%zz&b=;", 'invalid URL escape "%zz"'),
        ("b=;&a=%zz", "invalid semicolon separator in query"),
        ("a=%2", 'invalid URL escape "%2"'),
        ("a=1%", 'invalid URL escape "%"'),
        ("%g1=1", 'invalid URL escape "%g1"'),
    ],
)
def test_what_is_wrong_first(text: str, wrong: str) -> None:
    assert split_query(text).wrong == wrong


def test_too_many_fields_are_refused() -> None:
    assert len(split_query("&".join(["a=1"] * MOST_FIELDS)).pairs) == MOST_FIELDS
    with pytest.raises(TooManyFieldsError, match="more than"):
        split_query("&" * MOST_FIELDS)


def part(disposition: str, content: str, *more: str) -> str:
    return "\r\n".join([f"--x\r\nContent-Disposition: {disposition}", *more, "", content, ""])


END = "--x--\r\n"
A = part('form-data; name="a"', "1")


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (A + END, [("a", "1")]),
        (
            A + part('form-data; name="a"', "é\r\n--y", "Content-Type: text/plain") + END,
            [("a", "1"), ("a", "é\r\n--y")],
        ),
        (A + part('form-data; name="f"; filename="n"', "2") + END, [("a", "1")]),
        (A + part("form-data", "2") + part('attachment; name="b"', "2") + END, [("a", "1")]),
        ("preamble\r\n" + A + END + "epilogue", [("a", "1")]),
        (part("form-data; name=b", "") + END, [("b", "")]),
        (A, []),
        (A + "--x", []),
        ("a=1", []),
        ("", []),
        (A + "--x\r\nwithout a gap\r\n" + END, []),
        (END, []),
    ],
)
def test_multipart_forms(body: str, pairs: list[tuple[str, str]]) -> None:
    assert split_multipart(body.encode(), "x") == pairs


def test_media_types() -> None:
    assert media_type('Multipart/Form-Data; charset=x; boundary="a b"') == ("multipart/form-data", "a b")
    assert media_type("application/x-www-form-urlencoded") == ("application/x-www-form-urlencoded", "")
    assert media_type("") == ("", "")
    assert split_multipart(A.encode(), "") == []


async def test_where_forms_and_their_faults_count() -> None:
    store = store_with({"up job=a": lambda _: 1.0, "down job=b": lambda _: 1.0})
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    async with client_of(make_services(store)) as client:

        async def said(path: str, body: str) -> object:
            answer = await client.http.post(f"/api/v1/{path}", content=body.encode(), headers=headers)
            data = answer.json()
            return data["data"] if data["status"] == "success" else data["error"]

        query, when = part('form-data; name="query"', "7"), part('form-data; name="time"', "5")
        assert await said("query", query + when + END) == {"resultType": "scalar", "result": [5, "7"]}
        # Those of the URL come before those of a multipart form, and after those of the other kind.
        assert await said("query?query=8", query + when + END) == {"resultType": "scalar", "result": [5, "8"]}
        answer = await client.http.post("/api/v1/query?query=8&time=6", data={"query": "7"})
        assert answer.json()["data"]["result"] == [6, "7"]
        match = part('form-data; name="match[]"', "up")
        assert await said("labels", match + part('form-data; name="limit"', "1") + END) == ["__name__"]
        assert await said("series", match + END) == "no match[] parameter provided"
        assert await said("series?match[]=up", END) == [{"__name__": "up", "job": "a"}]

        async def asked(path: str) -> tuple[int, object]:
            answer = await client.http.get(httpx.URL("http://test").copy_with(raw_path=path.encode()))
            if not path.startswith("/api/"):
                return answer.status_code, answer.text
            body = answer.json()
            return answer.status_code, body["data"] if answer.status_code == 200 else body["error"]

        escape = 'error parsing form values: invalid URL escape "%zz"'
        five = {"resultType": "scalar", "result": [5, "1"]}
        assert await asked("/api/v1/query?query=1&x=%zz&time=5") == (200, five)
        assert await asked("/api/v1/label/job/values?match[]=up%zz") == (200, ["a", "b"])
        for _ in range(3):
            assert await asked("/api/v1/series?match[]=up&x=%zz") == (400, escape)
            assert await asked("/api/v1/series?match[]=up") == (200, [{"__name__": "up", "job": "a"}])
        assert await asked("/federate?match[]=up&x=%zz") == (400, escape + "\n")


async def test_steps_are_cut_to_milliseconds() -> None:
    async with client_of(make_services(Store())) as client:
        for step, times in (("0.0015", 3), ("0.0025", 2), ("0.001", 3), ("2ms", 2)):
            answer = await client.data("/api/v1/query_range", query="1", start=0, end=0.002, step=step)
            assert len(answer["result"][0]["values"]) == times
        status, kind, _ = await client.error(
            "/api/v1/query_range", query="1", start=0, end=0.002, step=0.0005
        )
        assert (status, kind) == (422, "execution")
        answer = await client.get("/api/v1/query_range", query="1", start=NOW_S, end=NOW_S + 0.01, step=0.01)
        assert '.010,"1"' in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "location"),
    [
        ("GET", "/api/v1/labels/?limit=1", 301, "/api/v1/labels?limit=1"),
        ("POST", "/api/v1/labels/", 307, "/api/v1/labels"),
        ("GET", "/api//v1/labels", 301, "/api/v1/labels"),
        ("POST", "/api//v1/labels", 301, "/api/v1/labels"),
        ("GET", "/api/v1/label//values", 301, "/api/v1/label/values"),
        ("GET", "/api/v1/Labels", 301, "/api/v1/labels"),
        ("POST", "/api/v1/Labels", 307, "/api/v1/labels"),
        ("GET", "/Targets/", 301, "/targets"),
        ("GET", "//evil.example/%5c", 301, "/evil.example/%5C"),
        ("PUT", "/api/v1/labels/", 404, None),
        ("GET", "/api/v1/label/values", 404, None),
        ("GET", "/api/v1/label/a%2fb/values", 404, None),
        ("GET", "/api/v2/labels", 404, None),
    ],
)
async def test_paths_that_are_nearly_right(method: str, path: str, status: int, location: str | None) -> None:
    async with client_of(make_services(Store())) as client:
        url = httpx.URL("http://test").copy_with(raw_path=path.encode())
        answer = await client.http.request(method, url)
    assert (answer.status_code, answer.headers.get("location")) == (status, location)


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/", "/"),
        ("", "/"),
        ("//", "/"),
        ("/..", "/"),
        ("/a/../../b/", "/b/"),
        ("/a/./b", "/a/b"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a.b/..c/...", "/a.b/..c/..."),
        ("/api/v1/labels", "/api/v1/labels"),
    ],
)
def test_paths_are_cleaned_as_go_does(path: str, clean: str) -> None:
    assert clean_path(path) == clean


def test_parameters_that_contradict_each_other_are_no_fault_of_ours() -> None:
    parameters = "form-data; name*0*=a; name*=b; name*0=c"
    assert media_type(f"multipart/{parameters}; boundary*0=x; boundary*=y")[0] == "multipart/form-data"
    part = f"--x\r\nContent-Disposition: {parameters}\r\n\r\nb\r\n--x--\r\n"
    assert split_multipart(part.encode(), "x") == []
