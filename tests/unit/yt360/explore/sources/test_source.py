"""What sources share."""

from yt360.explore.sources.source import Column, pick


def test_values_of_categories_are_numbers():
    assert [pick(("a", "b"), value) for value in ("b", "c", None)] == [1, None, None]


def test_columns_say_only_what_they_have():
    assert Column(name="a", title="A", type="text").to_json() == {
        "name": "a", "title": "A", "type": "text",
    }  # fmt: skip
