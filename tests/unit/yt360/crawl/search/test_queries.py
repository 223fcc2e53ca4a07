from __future__ import annotations

from importlib.resources import files

import pytest
from helpers.errors import user_error

from yt360.crawl.search.queries import Query, load_queries
from yt360.errors import UserError
from yt360.untrusted.yaml_files import load_yaml

BUILT_IN = load_yaml(files("yt360.crawl.search").joinpath("queries.yaml").read_text("utf-8"))


def test_the_built_in_queries_know_many_languages_and_the_same_things_in_each():
    languages = BUILT_IN["languages"]
    assert len(languages) >= 12
    things = set(languages["en"]["keywords"])
    assert len(things) >= 20
    for code, language in languages.items():
        assert set(language["keywords"]) == things, code
        assert all(isinstance(word, str) and word.strip() for word in language["keywords"].values())


def test_translations_are_translations():
    english = BUILT_IN["languages"]["en"]["keywords"]
    for code, language in BUILT_IN["languages"].items():
        same = [thing for thing, word in language["keywords"].items() if word == english[thing]]
        assert code == "en" or len(same) <= 5, (code, same)


def test_every_keyword_meets_every_suffix_once():
    queries = load_queries(languages=["de"])
    language = BUILT_IN["languages"]["de"]
    suffixes = [*BUILT_IN["suffixes"], *language["suffixes"]]
    wanted = {f"{word} {end}" for word in language["keywords"].values() for end in suffixes}
    assert {query.text for query in queries} == wanted and len(queries) == len(wanted)
    assert {query.language for query in queries} == {"de"}


def test_languages_take_turns_and_no_text_comes_twice():
    queries = load_queries()
    texts = [query.text for query in queries]
    assert len(set(texts)) == len(texts)
    first = {query.language for query in queries[:40]}
    assert len(first) >= 12


def test_a_file_of_ones_own_may_be_as_short_as_a_list(tmp_path):
    path = tmp_path / "queries.yaml"
    path.write_text("languages:\n  en:\n    keywords: [brass band, river]\n")
    assert [query.text for query in load_queries(path)] == ["brass band", "river"]


def test_a_word_may_stand_alone_and_a_quoted_code_is_a_text(tmp_path):
    path = tmp_path / "queries.yaml"
    path.write_text(
        "suffixes: 360 video\n"
        "languages:\n  'no':\n    keywords: elv\n    suffixes: {sound: romlyd}\n"
    )
    queries = load_queries(path, ["no"])
    assert [(query.text, query.language) for query in queries] == [
        ("elv 360 video", "no"),
        ("elv romlyd", "no"),
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("just words", "languages"),
        ("languages: {en: {keywords: }}", "en"),
        ("languages: {en: {keywords: [1, 2]}}", "words"),
        ("languages: {en: {keywords: 360}}", "words"),
        ("languages: {en: [river]}", "en"),
        ("languages: {en: river}", "en"),
        ("languages: {1: {keywords: [elv]}}", "1"),
        ("suffixes: 360\nlanguages: {en: {keywords: [river]}}", "words"),
        ("languages: {en: {keywords: [river], suffixes: [true]}}", "words"),
        (
            "languages:\n  en: {keywords: [river]}\n  en: {keywords: [lake]}",
            None,
        ),
        ("languages: [", None),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, key):
    path = tmp_path / "queries.yaml"
    path.write_text(text)
    with user_error("invalid", key):
        load_queries(path)


def test_norwegian_needs_no_quotes(tmp_path):
    path = tmp_path / "queries.yaml"
    path.write_text("languages: {no: {keywords: [elv]}}")
    assert load_queries(path) == [Query("elv", "no")]


def test_an_unknown_language_is_refused_with_a_hint():
    with user_error("unknown-name", "dd"):
        load_queries(languages=["dd"])


@pytest.mark.real
def test_an_alias_bomb_is_refused_at_once(real_data):
    with user_error("invalid"):
        load_queries(real_data / "hostile" / "q_laughs_keywords")


def test_a_long_list_of_odd_words_is_not_repeated_in_the_message(tmp_path):
    path = tmp_path / "q.yaml"
    path.write_text("languages: {en: {keywords: [[" + "x, " * 5000 + "]]}}")
    with pytest.raises(UserError) as caught:
        load_queries(path)
    assert len(str(caught.value)) < 400
