"""The file of SLUICE_PROVIDERS: what it says, and a sentence for each mistake, with file, table and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.service.settings.load import load_settings
from sluice.service.settings.names import warn_of_unused_names
from sluice.service.settings.providers import Price, Provider, ServedModel
from sluice.service.settings.settings import Settings, SettingsError
from sluice.service.settings.sources import kept_files, stable_file

SECRET = "this-must-not-be-shown"
WHOLE = f"""
currency = "EUR"

[[providers]]
name = "first"
base_url = "https://first.example/v1/"
key_file = "first.key"
models = ["small", {{ name = "large", input = 2, output = 8.5, cached_input = 0.5 }}]

[[providers]]
name = "second"
base_url = "http://127.0.0.1:9000/v1"
key = "{SECRET}"
api = "responses"

[[providers.models]]
name = "large"
id = "vendor/large"
input = 3
output = 9
"""
ONE = '[[providers]]\nname = "a"\nbase_url = "http://a.example/v1"\nmodels = ["m"]\n'


def load(folder: Path, text: str, **environ: str) -> Settings:
    """Read the settings with this file, whose name is relative to the folder of `.env`."""
    (folder / "providers.toml").write_text(text)
    return Settings.load({"SLUICE_PROVIDERS": "providers.toml", **environ}, folder / ".env")


def problems_of(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, text, **environ)
    assert SECRET not in str(caught.value)
    return caught.value.problems


def test_a_whole_file_gives_providers_in_their_order_with_keys_models_and_prices(tmp_path: Path) -> None:
    (tmp_path / "first.key").write_text("of-the-file\n")
    provider = load(tmp_path, WHOLE).provider
    large = Price(2, 8.5, 0.5, "EUR")
    first = (ServedModel("small", "small"), ServedModel("large", "large", large))
    second = (ServedModel("large", "vendor/large", Price(3, 9, None, "EUR")),)
    assert provider.providers == (
        Provider("first", "https://first.example/v1", "of-the-file", first),
        Provider("second", "http://127.0.0.1:9000/v1", SECRET, second, "responses"),
    )
    assert provider.catalog.currency == "EUR"
    assert set(provider.secrets) == {"of-the-file", SECRET}
    assert SECRET not in repr(provider)
    assert not provider.is_demo


def test_the_models_are_those_of_the_file_and_the_default_is_the_first_or_that_of_openai_model(
    tmp_path: Path,
) -> None:
    (tmp_path / "first.key").write_text("k")
    assert load(tmp_path, WHOLE).provider.allowed_models == ("small", "large")
    named = load(tmp_path, WHOLE, OPENAI_MODEL="large", OPENAI_MODELS="other").provider
    assert (named.default_model, named.allowed_models) == ("large", ("large", "small"))


def test_what_one_provider_is_set_by_has_no_effect_beside_the_file_and_is_told(tmp_path: Path) -> None:
    others = {"OPENAI_API_KEY": SECRET, "OPENAI_API": "responses", "OPENAI_BASE_URL": "http://b.example/v1"}
    settings = load(tmp_path, ONE, **others, OPENAI_MODELS="x")
    told = settings.contradictions()
    assert [sentence.partition(" has no effect with SLUICE_PROVIDERS")[0] for sentence in told] == [
        "OPENAI_API_KEY",
        "OPENAI_API",
        "OPENAI_BASE_URL",
        "OPENAI_MODELS",
    ]
    assert SECRET not in str(told)
    assert warn_of_unused_names({"OPENAI_ORG_ID": "o"}, {}, settings) == []


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("[[providers]", ["providers.toml is not TOML: Expected ']]' at the end of an array declaration"]),
        ("", ["providers.toml', which is empty; it should name a TOML file of providers."]),
        (
            "currency = 1",
            ["currency is 1; it should be a code of ISO 4217", "providers is not set; it should be 1 to"],
        ),
        ("providers = []", ["providers is a list of 0; it should be 1 to 16 tables"]),
        (f"currency = {'9' * 5000}", ["providers.toml is not TOML: Exceeds the limit"]),
        (f"currency = 0x{'F' * 5000}\n{ONE}", ["currency is a number of more than 20 digits; it should be a code"]),
        (17 * "[[providers]]\n", ["providers is a list of 17; it should be 1 to 16 tables"]),
        ("providers = [1]", ["[[providers]] 1: is 1; it should be a table"]),
        (f"{ONE}[[providers]]", ["2: name is not set", "2: base_url is not set", "2: models is not set"]),
        (f"{ONE}{ONE}", ["two providers have the name 'a'; each should have its own"]),
        (ONE + "modles = 1", ["[[providers]] 1 (a): 'modles' is no key here; did you mean models?"]),
        (f'api_key = "{SECRET}"\n{ONE}', ["'api_key' is no key here; known are currency, providers."]),
        (ONE.replace("http:", "ftp:"), ['[[providers]] 1 (a): base_url is "ftp://a.example/v1"; it should be a URL']),
        (ONE.replace("a.ex", f"u:{SECRET}@a.ex"), ["base_url is (hidden); it should be a URL"]),
        (ONE.replace('"a"', '"a b"'), ['name is "a b"; it should be 1 to 64 letters']),
        (ONE + f'key = "{SECRET} and more"', ["key is (hidden); it should be printable ASCII without spaces"]),
        (ONE + 'api = "completions"', ['[[providers]] 1 (a): api is "completions"; it should be chat or responses']),
        (ONE + 'key = ""', ["key is (hidden); it should be a key, or not be set"]),
        (ONE + f'key = "{SECRET}"\nkey_file = "b"', ["key and key_file are both set; only one of them should be"]),
        (ONE + 'key_file = "none"', ["key_file is 'none', which cannot be read (No such file or directory); it"]),
        (ONE.replace('["m"]', "[]"), ["models is a list of 0; it should be a list of models"]),
        (ONE.replace('["m"]', '["m", "m"]'), ["models has 'm' twice"]),
        (ONE.replace('"m"', "1"), ["[[providers]] 1 (a), models 1: is 1; it should be a name, or a table"]),
        (ONE.replace('"m"', "{ id = 'x' }"), ["models 1: name is not set; it should be the name of a model"]),
        (ONE.replace('"m"', "{ name = 'm', price = 1 }"), ["models 1: 'price' is no key here; known are name, id,"]),
        (
            ONE.replace('"m"', "{ name = 'm', input = 1, cached_input = -1 }"),
            [
                "models 1: cached_input is -1; it should be the price of a million tokens: a number from 0",
                "models 1: output is not set; where one price is set",
                "currency is not set; with prices it should be their currency",
            ],
        ),
        (
            ONE.replace('"m"', "{ name = 'm', input = true, output = nan }"),
            ["input is true", "output is NaN", "curre"],
        ),
        (
            f"currency = 'EUR'\n{ONE}".replace('"m"', f"{{ name = 'm', input = 1e308, output = 1{'0' * 400} }}"),
            [
                "input is 1e+308; it should be the price of a million tokens: a number from 0 to 1000000000",
                "output is a",
            ],
        ),
    ],
)
def test_each_mistake_gets_a_sentence_with_file_table_and_key(
    tmp_path: Path, text: str, sentences: list[str]
) -> None:
    problems = problems_of(tmp_path, text)
    assert len(problems) == len(sentences), problems
    for problem, sentence in zip(problems, sentences, strict=True):
        assert problem.startswith("SLUICE_PROVIDERS")
        assert "providers.toml" in problem
        assert sentence in problem
        assert problem.endswith((".", "?"))


def test_a_default_model_that_no_provider_serves_is_a_mistake(tmp_path: Path) -> None:
    assert problems_of(tmp_path, ONE, OPENAI_MODEL="x") == [
        "OPENAI_MODEL is 'x'; it should be a model of SLUICE_PROVIDERS (providers.toml): m."
    ]


def test_off_stands_over_a_file_that_a_dotenv_names(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SLUICE_PROVIDERS=none.toml\n")
    assert Settings.load({"SLUICE_PROVIDERS": "off"}, tmp_path / ".env").provider == Settings().provider


def test_a_worker_has_the_providers_that_were_kept_until_a_reload_reads_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stable_file, "SETTLED", 0.0)
    monkeypatch.setattr(stable_file, "SUSPECT_SETTLED", 0.0)
    file, key, dotenv = tmp_path / "providers.toml", tmp_path / "key", tmp_path / ".env"
    dotenv.write_text("SLUICE_PROVIDERS=providers.toml\n")
    file.write_text(ONE + 'key_file = "key"\n')
    key.write_text("first\n")
    try:
        first = load_settings({}, dotenv)
        kept_files.keep(first.contents)
        file.write_text("broken")
        key.unlink()
        assert load_settings({}, dotenv) == first
        kept_files.forget()
        with pytest.raises(SettingsError, match="is not TOML"):
            load_settings({}, dotenv)
        file.write_text(ONE.replace('"a"', '"b"'))
        assert [each.name for each in load_settings({}, dotenv).settings.provider.providers] == ["b"]
    finally:
        kept_files.forget()
        kept_files.forget()


def test_a_price_counts_cached_input_by_its_own_price_or_as_other_input() -> None:
    assert Price(2, 8, 0.5, "USD").cost(1000, 100, 400) == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 8) / 1e6)
    assert Price(2, 8, None, "USD").cost(1000, 100, 400) == pytest.approx(0.0028)
    # More of it than there is input: a provider's miscount must not make a cost negative.
    assert Price(2, 8, 0.0, "USD").cost(10, 0, 400) == 0.0
