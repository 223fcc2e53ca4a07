"""The addresses of the page, and what they answer."""

import pytest
from helpers.explore import client

from yt360.errors import BadItem, UserError
from yt360.explore.parts import NO_LAYERS, NoLayers
from yt360.explore.sources.source import Column


def test_the_list_comes_in_chunks_of_columns():
    site = client().get("/api/site.json").json()
    assert (site["clips"], site["rejected"], site["chunk"]) == (3, 2, 2)
    chunks = [client().get(f"/api/clips/{n}.json").json() for n in range(3)]
    assert [key for chunk in chunks for key in chunk["key"]] == [f"clip-0000{n}" for n in range(5)]
    assert set(chunks[0]) == {column["name"] for column in site["columns"]}
    assert chunks[0]["level_db"] == [None, None]  # NaN is not JSON


def test_a_clip_has_its_facts_and_every_layer():
    clip = client().get("/clips/1/clip.json").json()
    assert clip["key"] == "clip-00001" and set(NO_LAYERS) <= set(clip)
    assert client().get("/clips/1/energy.bin").content == b"\x00\xff"


@pytest.mark.parametrize(
    "address",
    [
        "/clips/5/clip.json", "/clips/99999999999999/clip.json", "/clips/-1/clip.json",
        "/clips/0/labels/0.png", "/clips/0/", "/clips/0", "/clips/3/video.mp4", "/api/site.json/",
        "/clips/0/" + "x" * 5000, "/api/clips/3.json", "/api/clips/x.json", "/static/nothing.js",
        "/static/../../cli.py", "/static/%2e%2e/%2e%2e/cli.py", "/static//etc/passwd", "/static/.",
        "/api/review",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(address):
    answer = client().get(address)
    assert (answer.status_code, answer.json()["code"]) == (404, "missing")


@pytest.mark.parametrize("name", ["video.mp4", "audio.flac", "thumbnail.jpg"])
def test_a_broken_member_costs_its_own_answer_only(name):
    answer = client().get(f"/clips/2/{name}")
    assert (answer.status_code, answer.json()["code"]) == (422, "shard-truncated")
    assert client().get("/clips/1/video.mp4").status_code == 200


def test_a_broken_layer_leaves_the_rest_of_the_clip():
    class Broken(NoLayers):
        def facts(self, _clip):
            raise BadItem("bad-flac", "it does not decode")

        def file(self, _clip, _name):
            raise BadItem("bad-flac", "it does not decode")

    clip = client(layers=Broken()).get("/clips/0/clip.json").json()
    assert clip["problem"]["code"] == "bad-flac" and clip["energy"] is None
    assert client(layers=Broken()).get("/clips/0/strip.png").status_code == 422


def test_a_clip_without_media_has_no_picture():
    assert client().get("/clips/0/thumbnail.jpg").content == b"JPEG"
    assert client().get("/clips/3/thumbnail.jpg").status_code == 204


class FakeReview:
    def __init__(self):
        self.decisions = []

    def version(self):
        return str(len(self.decisions))

    def state(self):
        return {"decisions": self.decisions}

    def decide(self, request):
        if "key" not in request:
            raise UserError("no key", code="missing", key="key")
        self.decisions.append(request)
        return 200, request

    def lines(self):
        return iter([b"{}\n"] * len(self.decisions))


ORIGIN = {"Origin": "http://127.0.0.1:8360", "X-Explore": "1"}


def test_decisions_are_stored_and_read_again():
    page = client(review=FakeReview())
    tag = page.get("/api/review").headers["etag"]
    assert page.post("/api/review", json={"key": "a"}, headers=ORIGIN).json() == {"key": "a"}
    assert page.get("/api/review").json() == {"decisions": [{"key": "a"}]}
    assert page.get("/api/review.jsonl").content == b"{}\n"
    later = page.get("/api/review", headers={"If-None-Match": tag})
    assert later.status_code == 200
    same = page.get("/api/review", headers={"If-None-Match": later.headers["etag"]})
    assert same.status_code == 304


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Explore": "1"},
        {"Origin": ORIGIN["Origin"]},
        {**ORIGIN, "Origin": "null"},
        {**ORIGIN, "Origin": "http://evil.com"},
        {**ORIGIN, "Origin": "http://127.0.0.1:9999"},
    ],
)
def test_only_the_page_itself_decides(headers):
    review = FakeReview()
    answer = client(review=review).post("/api/review", json={"key": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin")
    assert not review.decisions


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"[]", 400), (b"{}", 400), (b"[" * 60000, 400), (b"x" * 70000, 413)],
)
def test_what_is_no_decision_is_refused(content, status):
    answer = client(review=FakeReview()).post("/api/review", content=content, headers=ORIGIN)
    assert answer.status_code == status


def test_scores_are_told_from_where_the_page_has_them():
    class Scored(NoLayers):
        columns = (Column(name="score a", title="Score", type="number", role="score"),)

        def rows(self, start, stop):
            return {"score a": [0.5] * (stop - start)}

        def changes(self, number):
            return {"next": number, "score": float("nan")}

    page = client(layers=Scored())
    assert page.get("/api/site.json").json()["columns"][-1]["role"] == "score"
    assert page.get("/api/clips/0.json").json()["score a"] == [0.5, 0.5]
    assert page.get("/api/scores.json?after=17").json() == {"next": 17, "score": None}
    for wrong in ("", "?after=", "?after=-1", "?after=x", f"?after={'9' * 5000}"):
        assert page.get(f"/api/scores.json{wrong}").json()["next"] == 0
    assert client().get("/api/scores.json").status_code == 404


def test_the_pages_own_files_are_served(tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "static" / "main.js").write_text("export {};")
    page = client(page=tmp_path)
    assert page.get("/").headers["content-type"].startswith("text/html")
    assert page.get("/index.html").content == page.get("/").content == b"<!doctype html>"
    assert page.get("/static/main.js").headers["content-type"].startswith("text/javascript")
