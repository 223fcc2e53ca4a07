"""What is looked at is recognized by its content."""

import pytest
from helpers.errors import user_error
from helpers.explore import InProcess
from helpers.paths import REPOSITORY

from yt360.catalog.catalog import Catalog
from yt360.explore.sources.opening import is_url, open_source


def test_datasets_and_catalogs_are_recognized(tmp_path):
    with Catalog(tmp_path / "my.catalog", create=True):
        pass
    assert open_source(str(REPOSITORY / "shards"), InProcess()).kind == "dataset"
    assert open_source(str(tmp_path / "my.catalog"), InProcess()).kind == "catalog"


def test_what_is_not_there_is_said_so(tmp_path):
    with user_error("missing"):
        open_source(str(tmp_path / "nothing"), InProcess())


@pytest.mark.parametrize("place", ["s3://bucket/x", "https://host/x", "gs:/bucket/x"])
def test_addresses_are_elsewhere(place):
    assert is_url(place)


@pytest.mark.parametrize("place", ["shards", "/shards", "C:/shards", "a:b", "x://"])
def test_paths_are_here(place):
    assert not is_url(place)
