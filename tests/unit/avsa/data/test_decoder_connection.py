from __future__ import annotations

from avsa.data.decoder_connection import decoder_environment


def test_settings_of_glibc_that_are_given_come_last():
    given = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0", "HOME": "/home"}
    environment = decoder_environment(given)
    alone = decoder_environment({})["GLIBC_TUNABLES"]
    assert alone and environment["GLIBC_TUNABLES"] == f"{alone}:glibc.malloc.hugetlb=0"
    assert environment["HOME"] == "/home" and environment["OMP_NUM_THREADS"] == "1"
