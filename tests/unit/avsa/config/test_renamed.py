import re

import pytest

from avsa.config.recipe import load_config
from avsa.config.renamed import RENAMED, new_name
from yt360.config import flatten, to_mapping
from yt360.errors import UserError

RECIPES = "avc", "avsa", "avts"


def all_keys():
    keys = set()
    for recipe in RECIPES:
        for key in flatten(to_mapping(load_config(recipe))):
            parts = key.split(".")
            if parts[0] == "stages":
                parts[1] = "*"
            keys |= {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return keys


def test_new_names_are_keys_and_old_names_are_not():
    keys = all_keys()
    assert set(RENAMED.values()) <= keys
    assert not set(RENAMED) & keys


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_an_old_key_is_refused_with_its_new_name(old):
    key = old.replace("*", "avc")
    with pytest.raises(UserError, match=re.escape(new_name(key))) as raised:
        load_config("avc", [f"{key}=1"])
    assert (raised.value.code, raised.value.key) == ("unknown-name", key)
