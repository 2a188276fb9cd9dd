"""Files and moments that an import must survive: bombs, full disks, uploads that nobody came back for."""

import io
import os
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import SignIn
from tests.contacts import steps
from webapp.contacts import jobs, sheets, uploads
from webapp.core import clock
from webapp.core.errors import UserError
from webapp.core.web import Services


def _zipped(name: str, content: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return raw.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("xl/worksheets/sheet1.xml", bytes(60_000_000), "unpacks to more"),
        ("word/document.xml", b"<x/>", "looks like Word"),
        ("xl/workbook.xml", b"<x", "damaged"),
    ],
)
def test_a_zip_that_is_no_workbook_is_refused_before_it_is_unpacked(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    source = tmp_path / "a.sheet"
    source.write_bytes(_zipped(name, content))
    with pytest.raises(UserError, match=says):
        sheets.to_csv(source, tmp_path / "a.csv")


def test_a_full_disk_is_said_so_and_leaves_no_half_file(
    signed_in: SignIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.shutil, "copyfileobj", full)
    answer = steps.upload(signed_in("marketing"), steps.USUAL)
    assert answer.status_code == 422
    assert "O disco do servidor está cheio" in answer.text
    assert not list((services.settings.instance / uploads.FOLDER).iterdir())


def test_an_upload_that_nobody_confirms_for_a_week_goes(signed_in: SignIn, services: Services) -> None:
    client = signed_in("marketing")
    steps.upload(client, steps.USUAL)
    jobs.discard_stale(services)
    found = steps.the_import(services)
    assert found.state == "uploaded"
    with services.db.writing() as session:
        uploads.the_import(session, found.id).created_at = clock.now() - timedelta(days=8)
    jobs.discard_stale(services)
    assert steps.the_import(services).state == "discarded"
    assert not list((services.settings.instance / uploads.FOLDER).iterdir())


def test_a_file_whose_upload_was_cut_off_before_its_row_goes_after_a_day(signed_in: SignIn, services: Services) -> None:
    steps.upload(signed_in("marketing"), steps.USUAL)
    folder = services.settings.instance / uploads.FOLDER
    (kept,) = folder.iterdir()
    young, old = folder / "young.csv", folder / "old.csv"
    for path in (kept, young, old):
        path.touch()
    for path in (kept, old):
        os.utime(path, (time.time() - 90_000,) * 2)
    jobs.discard_stale(services)
    assert set(folder.iterdir()) == {kept, young}
