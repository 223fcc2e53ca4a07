"""Where the server listens."""

import socket

import pytest
from helpers.errors import user_error

from yt360.explore.security import access_for
from yt360.explore.serving import DEFAULT_PORT, has_browser, link_to, listen


def test_the_first_free_port_is_taken():
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        ports = [bound.getsockname()[1] for bound in (first, second)]
    assert DEFAULT_PORT <= ports[0] < ports[1] or ports[0] > ports[1]
    assert len({*ports}) == 2


def test_a_port_in_use_is_said_so():
    with listen("127.0.0.1", 0) as bound, user_error("in-use", "--port"):
        listen("127.0.0.1", bound.getsockname()[1])


def test_an_address_of_another_machine_is_refused():
    with user_error("invalid", "--host"):
        listen("192.0.2.1", 0)  # for documentation, RFC 5737


@pytest.mark.parametrize(
    ("host", "start"),
    [("127.0.0.1", "http://127.0.0.1:80/"), ("::1", "http://[::1]:80/")],
)
def test_the_link_of_this_machine_has_no_token(host, start):
    assert link_to(host, 80, access_for(host, 80)) == start


def test_the_link_for_others_has_one():
    access = access_for("0.0.0.0", 80)
    link = link_to("0.0.0.0", 80, access)
    assert link == f"http://{socket.gethostname()}:80/?token={access.token}"
    assert not has_browser("0.0.0.0")
