"""Keys: made once, readable by nobody else, rotated without losing what they sealed."""

import threading
from pathlib import Path

from webapp.core import keyfile, secrets


def test_a_kept_secret_is_made_once_even_by_many_at_once(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(keyfile.keep(tmp_path / "key"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_rotated_key_still_opens_what_the_old_one_sealed() -> None:
    sealed = secrets.sealed_box("old key").encrypt(b"segredo").decode()
    assert secrets.opened(secrets.sealed_box("new key", "old key"), sealed) == "segredo"
    assert secrets.opened(secrets.sealed_box("new key"), sealed) is None


def test_a_fingerprint_needs_the_key() -> None:
    assert secrets.fingerprint("a", "5511987654321") != secrets.fingerprint("b", "5511987654321")
