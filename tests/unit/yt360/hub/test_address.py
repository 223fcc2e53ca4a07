import pytest
from helpers.errors import user_error

from yt360.hub.address import HubAddress, is_address, parse_address


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("hf://datasets/me/street", "dataset", HubAddress("dataset", "me/street")),
        ("hf://datasets/street", "dataset", HubAddress("dataset", "street")),
        ("hf://me/avsa-1.0_b", "model", HubAddress("model", "me/avsa-1.0_b")),
        ("hf://me/avsa@refs/pr/1", "model", HubAddress("model", "me/avsa", "refs/pr/1")),
        ("hf:/me/avsa", "model", HubAddress("model", "me/avsa")),  # as a Path writes it
    ],
)
def test_addresses_are_parsed_and_written_as_they_were(text, kind, expected):
    assert is_address(text)
    assert parse_address(text, kind) == expected
    assert str(expected) == text.replace("hf:/me", "hf://me")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("me/street", "dataset"),
        ("https://huggingface.co/me/street", "model"),
        ("hf://me/street", "dataset"),
        ("hf://datasets/me/street", "model"),
        ("hf://datasets/me/street/more", "dataset"),
        ("hf://datasets/", "dataset"),
        ("hf://me/..", "model"),
        ("hf://../me", "model"),
        ("hf://me/a@", "model"),
        ("hf://me/a@-x", "model"),
        ("hf://me/ä", "model"),
        ("hf:///me/a", "model"),
    ],
)
def test_other_addresses_are_refused(text, kind):
    with user_error("invalid", key=text):
        parse_address(text, kind)


def test_files_are_pushed_to_no_revision():
    with user_error("unsupported"):
        parse_address("hf://me/a@v1", "model", revision_allowed=False)
