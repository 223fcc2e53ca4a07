"""Strangers get nothing, and names are never markup."""

import re

import pytest
from helpers.explore import HOST, MARKUP, client

from yt360.explore.security import HEADERS, Access, access_for, is_loopback
from yt360.explore.server import PAGE

ADDRESSES = ["/", "/index.html", "/static/main.js", "/api/site.json", "/clips/0/video.mp4", "/no"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_forbids_what_the_page_does_not_need(address):
    answer = client().get(address)
    assert HEADERS.items() <= {**answer.headers, **HEADERS}.items()
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.com", "evil.com:8360", "", "127.0.0.1.evil.com", "[", "10.0.0.1"]
)
def test_a_name_that_leads_here_by_a_trick_is_refused(host):
    answer = client().get("/api/site.json", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "host")


@pytest.mark.parametrize("host", ["localhost:8360", "127.0.0.1:8360", "[::1]:8360", "LOCALHOST"])
def test_names_of_this_machine_are_known(host):
    assert client().get("/api/site.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_cannot_load_parts(site):
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    assert client().get("/clips/0/video.mp4", headers=headers).status_code == 403
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert client().get("/api/site.json", headers=link).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_needs_no_token(host):
    assert is_loopback(host)
    assert access_for(host, 8360).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "localhost.evil.com"])
def test_other_addresses_need_one(host):
    assert not is_loopback(host)
    assert len(access_for(host, 8360).token) >= 32


def test_only_the_link_with_the_token_opens_the_page():
    access = Access(token="right", port=8360)
    with client(access) as stranger:
        for address in (*ADDRESSES, "/?token=wrong", "/?token="):
            answer = stranger.get(address)
            assert (answer.status_code, answer.json()["code"]) == (403, "token")
    with client(access) as friend:
        answer = friend.get("/?token=right")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie
        assert friend.get("/api/site.json").status_code == 200


def test_the_token_cannot_lead_to_another_site():
    answer = client(Access(token="right")).get(HOST + "//evil.com/?token=right")
    assert answer.headers["location"] == "/"


def test_by_address_only_where_a_token_protects():
    access = access_for("0.0.0.0", 8360)
    with client(access) as friend:
        for host, status in (("10.0.0.1:8360", 303), ("evil.com", 403)):
            answer = friend.get(f"/?token={access.token}", headers={"Host": host})
            assert answer.status_code == status


def test_the_page_says_what_it_may_load_without_a_server_as_with_one():
    """An export is served by any server, without the headers of this one."""
    page = (PAGE / "index.html").read_text()
    (stated,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    sent = client().get("/").headers["content-security-policy"]
    assert sent == f"{stated}; frame-ancestors 'none'"
    rules = dict(rule.strip().split(maxsplit=1) for rule in sent.split(";"))
    assert rules["default-src"] == "'none'"
    assert {"'self'"} == {rules[f"{kind}-src"] for kind in ("script", "style", "connect")}


def test_names_stay_text():
    answer = client().get("/api/site.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["title"] == MARKUP and answer.text.isascii() and "\x1b" not in answer.text
