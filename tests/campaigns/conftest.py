"""An installation whose sending window never closes: what is tested here does not depend on the day of the week."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from webapp.core import settings as settings_module
from webapp.core.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load(
        {}, instance=tmp_path / "instance", secret_key="a secret for tests only", sending_window="always"
    )


@pytest.fixture
def browser(signed_in: Callable[..., FlaskClient]) -> FlaskClient:
    """Marketing, in English."""
    return signed_in("marketing", locale="en")
