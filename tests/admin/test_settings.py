"""The settings in force, where each came from, and no secret among them."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from webapp.admin import effective
from webapp.core import settings as settings_module
from webapp.core.settings import Settings
from webapp.core.web import Services
from webapp.gateway import account

SECRETS = {
    "RECADO_GATEWAY_PASSWORD": "p4ssw0rd-of-the-gateway",
    "RECADO_CALLBACK_TOKEN": "token-of-the-callbacks-x",
    "RECADO_SECRET_KEY_FALLBACKS": "an-older-secret-key-of-ours",
}


def _rows(settings: Settings, **kept: str) -> dict[str, effective.Setting]:
    return {row.name: row for rows in effective.in_force(settings, kept).values() for row in rows}


def test_every_setting_is_there_with_its_meaning(settings: Settings):
    rows = _rows(settings)
    assert set(rows) == set(settings_module.names())
    assert all(row.meaning for row in rows.values())


def test_each_says_where_it_came_from(tmp_path: Path):
    (tmp_path / "recado.toml").write_text("batch_size = 100\nrate = 2.5\n")
    settings = settings_module.load({"RECADO_RATE": "9"}, instance=tmp_path, environment="sandbox")
    rows = _rows(settings, url="http://x/webservice-rest/", password="kept")
    assert (rows["rate"].origin, rows["rate"].value) == ("environment", "9")
    assert (rows["batch_size"].origin, rows["batch_size"].value) == ("file", "100")
    assert rows["environment"].origin == "start"
    assert (rows["gateway_url"].origin, rows["gateway_url"].value) == ("page", "http://x/webservice-rest/")
    assert (rows["gateway_password"].origin, rows["gateway_password"].hidden) == ("page", True)
    assert (rows["gateway_user"].origin, rows["gateway_user"].value) == ("default", None)
    assert rows["secret_key"].origin == "made"


def test_the_databases_password_is_covered(tmp_path: Path):
    settings = settings_module.load(
        {"RECADO_DATABASE_URL": "postgresql+psycopg://ana:s3cret@db.example/recado"}, instance=tmp_path
    )
    shown = _rows(settings)["database_url"].value
    assert shown == "postgresql+psycopg://ana:…@db.example/recado"


@pytest.mark.parametrize(
    ("url", "only_here"),
    [("http://127.0.0.1:8000", True), ("http://localhost:8000", True), ("http://[::1]:8000", True),
     ("https://recado.example", False), ("http://10.0.0.5:8000", False)],
)  # fmt: skip
def test_an_address_of_this_machine_only_is_known(url: str, only_here: bool):
    assert effective.only_this_machine(url) is only_here


class TestPage:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings_module.load(SECRETS, instance=settings.instance, secret_key="a secret for tests only")

    def test_no_secret_is_on_any_page_of_administration(self, admin: FlaskClient, services: Services):
        with services.db.writing() as session:
            account.row(session).user = "acme"
        for path in ("", "/settings", "/gateway", "/callbacks", "/health", "/audit", "/people"):
            page = admin.get(f"/admin{path}").text
            for secret in (*SECRETS.values(), "a secret for tests only"):
                assert secret not in page, path
        assert "set, not shown" in admin.get("/admin/settings").text
        assert "acme" in admin.get("/admin/settings").text
