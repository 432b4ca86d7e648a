"""The operator's questions: a list for all, or one for each language; every mistake is named with its place."""

from __future__ import annotations

import json

import pytest

from sluice.service.settings.settings import Settings, SettingsError
from sluice.service.settings.starters import LABEL_CHARS, MOST, PROMPT_CHARS, Starter, parse_starters


def test_a_list_is_for_all_languages() -> None:
    starters = parse_starters('[" Why? ", {"label": " Ice ", "prompt": "Does it float?"}]')
    assert starters == dict.fromkeys(("en", "zh"), (Starter("Why?"), Starter("Does it float?", "Ice")))


def test_a_language_that_is_left_out_is_left_to_the_page() -> None:
    assert parse_starters('{"zh": ["为什么？"]}') == {"zh": (Starter("为什么？"),)}


def test_an_empty_list_offers_none() -> None:
    assert parse_starters("[]") == {"en": (), "zh": ()}


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ('["Why?"', "this is no JSON: Expecting ',' delimiter: line 1 column 8 (char 7)"),
        ("null", "here the questions are no list"),
        ('"Why?"', "here the questions are no list"),
        ("{}", "here is no language"),
        ('{"en": "Why?"}', 'here the questions of "en" are no list'),
        ('{"fr": []}', 'here "fr" is not one of the page\'s languages, en and zh'),
        ("[1]", "here question 1 is neither a text nor an object of texts"),
        ('{"zh": ["为什么？", {"prompt": 1}]}', 'here question 2 of "zh" is neither a text nor an object of texts'),
        ('[{"prompt": "Why?", "title": "x"}]', 'here question 1 has "title", and only label and prompt are known'),
        ('["Why?", " "]', "here question 2 has no prompt"),
        ('[{"label": "Ice"}]', "here question 1 has no prompt"),
        (json.dumps(["x" * (PROMPT_CHARS + 1)]), "here question 1 has a prompt of more than 1000 characters"),
        (
            json.dumps([{"prompt": "x", "label": "x" * (LABEL_CHARS + 1)}]),
            "here question 1 has a label of more than 40 characters",
        ),
        (json.dumps(["x"] * (MOST + 1)), "here the questions are 9, and 8 at most are shown"),
        ('["", 1]', "here question 1 has no prompt, question 2 is neither a text nor an object of texts"),
    ],
)
def test_every_mistake_is_named_with_its_place_and_what_it_should_be(written: str, mistake: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({"SLUICE_STARTERS": written})
    (problem,) = caught.value.problems
    assert problem.startswith(f"SLUICE_STARTERS is {written!r}; it should be a JSON list of questions such as")
    assert problem.endswith(f"; {mistake}.")


def test_what_is_as_long_as_it_may_be_is_taken() -> None:
    item = {"prompt": "x" * PROMPT_CHARS, "label": "x" * LABEL_CHARS}
    assert len(parse_starters(json.dumps([item] * MOST))["en"]) == MOST
