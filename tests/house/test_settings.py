"""Settings: every one is documented and parsed, and nonsense is refused with a sentence that names the key."""

import re
from pathlib import Path

import pytest

from webapp.core import settings as settings_module
from webapp.core.settings import PARSERS, PREFIX, ROOT, SettingError, load, names

README = (ROOT / "README.md").read_text(encoding="utf-8")
NONSENSE = {
    "database_url": "mysql://x/y",
    "gateway_url": "ftp://example.com/webservice-rest/",
    "gateway_dialect": "latin",
    "public_url": "example.com",
    "callback_token": "short",
    "callback_nets": "10.0.0.0/99",
    "secret_key": "short",
    "proxy_hops": "two",
    "upload_mb": "0",
    "timezone": "America/Atlantis",
    "locale": "de",
    "sending_window": "someday",
    "batch_size": "5001",
    "concurrency": "21",
    "rate": "nan",
    "gateway_timeout": "0",
    "settle_seconds": "-1",
    "handover_minutes": "1e9",
    "poll_seconds": "0.5",
    "assets_url": "//cdn.example.com",
}
SECRETS = {"gateway_password", "secret_key", "callback_token"}


@pytest.mark.parametrize("name", names())
def test_a_setting_is_documented_and_parsed(name: str) -> None:
    assert name in PARSERS
    assert f"`{PREFIX}{name.upper()}`" in README, f"{PREFIX}{name.upper()} is missing from the README's table"


def test_the_readme_documents_no_setting_that_does_not_exist() -> None:
    documented = set(re.findall(r"`RECADO_([A-Z_]+)`", README))
    assert documented <= {name.upper() for name in names()}


@pytest.mark.parametrize(("name", "value"), NONSENSE.items(), ids=NONSENSE)
def test_nonsense_is_refused_with_a_sentence_that_names_the_key(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refused:
        load({f"{PREFIX}{name.upper()}": value}, instance=tmp_path)
    sentence = str(refused.value)
    assert f"{PREFIX}{name.upper()}" in sentence and sentence.endswith(".")
    assert (value in sentence) is (name not in SECRETS)


def test_every_setting_that_can_be_nonsense_is_tried() -> None:
    free = {"instance", "gateway_user", "gateway_password", "secret_key_fallbacks", "trusted_hosts", "environment"}
    assert set(PARSERS) - free == set(NONSENSE)


def test_an_unknown_key_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="RECADO_RATTE is no setting"):
        load({"RECADO_RATTE": "3"}, instance=tmp_path)
    (tmp_path / "recado.toml").write_text("ratte = 3\n")
    with pytest.raises(SettingError, match=r"ratte in .*recado\.toml is no setting"):
        load({}, instance=tmp_path)


def test_a_broken_settings_file_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "recado.toml").write_text("rate = \n")
    with pytest.raises(SettingError, match=r"recado\.toml cannot be read"):
        load({}, instance=tmp_path)


def test_the_environment_wins_over_the_file_and_values_stay_text(tmp_path: Path) -> None:
    (tmp_path / "recado.toml").write_text(
        'gateway_password = "1e5"\nrate = 7\ntrusted_hosts = ["a.example", "b.example"]\n'
    )
    settings = load({"RECADO_RATE": "2.5", "RECADO_UPLOAD_MB": ""}, instance=tmp_path)
    assert (settings.gateway_password, settings.rate, settings.upload_mb) == ("1e5", 2.5, 200)
    assert settings.trusted_hosts == ("a.example", "b.example")
    assert settings.fixed == {"gateway_password", "rate", "trusted_hosts"}


def test_secrets_do_not_show_in_a_settings_text(tmp_path: Path) -> None:
    shown = repr(load({"RECADO_GATEWAY_PASSWORD": "hush-hush", "RECADO_SECRET_KEY": "s" * 20}, instance=tmp_path))
    assert "hush-hush" not in shown and "s" * 20 not in shown


def test_the_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    settings = load({}, instance=tmp_path)
    rows = dict(re.findall(r"^\| `RECADO_([A-Z_]+)` \|.*\| `?([^|`]*)`? \|$", README, flags=re.MULTILINE))
    for name in ("timezone", "locale", "sending_window", "batch_size", "concurrency", "upload_mb", "poll_seconds"):
        assert rows[name.upper()].strip() == str(getattr(settings, name)).removesuffix(".0"), name
    assert rows["ASSETS_URL"].strip() == settings_module.DEFAULT_ASSETS_URL
