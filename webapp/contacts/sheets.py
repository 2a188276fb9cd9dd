"""Spreadsheets (XLSX, ODS, XLS) become a delimited text once; from there on every list goes the same way."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog

from webapp.contacts import faults, unpacking
from webapp.core.errors import UserError

log = structlog.get_logger(__name__)

ENCODING, DELIMITER = unpacking.ENCODING, unpacking.DELIMITER
BEAT = 20.0  # seconds between two signs of life while a workbook is read
_LEFT_OVER = 3600.0  # seconds after which nobody writes to a half text any more


class Unpacked(NamedTuple):
    """How many rows were written, and the name of their sheet where the workbook has several."""

    rows: int
    sheet: str


def to_csv(source: Path, target: Path, beat: Callable[[], None] = lambda: None) -> Unpacked:
    """Write the sheet that holds the list as UTF-8 with `;`, rows on the lines they had. `beat` is called meanwhile.

    UserError where the workbook is a bomb, damaged, locked, or has no rows. The target is there whole or not at all.
    """
    _remove_left_over(target)
    half = target.with_name(f"{target.stem}.{secrets.token_hex(4)}.part")
    try:
        code, answer = _unpack(source, half, beat)
        if code == -signal.SIGKILL:  # by whoever; if it was for want of memory, it happens again
            code, answer = _unpack(source, half, beat)
        told = _understand(code, answer, source)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return told


def _unpack(source: Path, half: Path, beat: Callable[[], None]) -> tuple[int, str]:
    command = [sys.executable, "-I", unpacking.__file__, str(os.getpid()), str(source), str(half)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            while True:
                try:
                    answer, _ = child.communicate(timeout=BEAT)
                    return child.returncode, answer
                except subprocess.TimeoutExpired:
                    beat()
        except BaseException:
            child.kill()
            raise


def _understand(code: int, answer: str, source: Path) -> Unpacked:
    if not source.exists():
        raise FileNotFoundError(source)
    if code:
        log.warning("reading a workbook came to its limits", exit_code=code, bytes=source.stat().st_size)
        raise faults.refused("bomb")
    told = json.loads(answer)
    if key := told.pop("refused", None):
        raise _refusal(key, told)
    return Unpacked(told["rows"], told["sheet"])


def _refusal(key: str, values: dict[str, str]) -> UserError:
    if key == "disk":
        log.error("the disk is full: a workbook could not be read")
    return faults.refused(key, **values)


def _remove_left_over(target: Path) -> None:
    """Half texts of readers that were killed."""
    for path in target.parent.glob(f"{target.stem}.*.part"):
        if path.stat().st_mtime < time.time() - _LEFT_OVER:
            path.unlink(missing_ok=True)
