"""An installation; modules that ask both databases override `database`."""

from pathlib import Path

import pytest

from webapp.core import settings as settings_module
from webapp.core.settings import Settings


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'instance' / 'recado.db'}"


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return settings_module.load(
        {}, database_url=database, instance=tmp_path / "instance", secret_key="a secret for tests only"
    )
