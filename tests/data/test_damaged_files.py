"""No damaged file is accepted in silence, and each refusal names line, column and remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from damaged_files import LINES, Damage, damaged_files, good_lines, text

from recurra.data.series import Columns, Reading, read_series
from recurra.data.tables import read_table
from recurra.errors import DataError

COLUMNS = Columns(time="day", target="demand", past=("temperature", "sky"))


def test_the_good_file_is_read_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "good.csv"
    path.write_bytes(text(good_lines()))
    series = read_series(read_table(path), COLUMNS)
    assert series.notices == ()
    cells = [line.split(",") for line in good_lines()[1:]]
    assert series.target.tolist() == [float(row[1]) for row in cells]
    assert series.past[:, 0].tolist() == [float(row[2]) for row in cells]
    assert series.time.astype("datetime64[D]").astype(str).tolist() == [row[0] for row in cells]
    assert series.step_name(LINES - 2) == f"line {LINES}"


@pytest.mark.parametrize("damage", damaged_files(), ids=lambda damage: damage.name)
def test_damage_is_said(damage: Damage, tmp_path: Path) -> None:
    path = tmp_path / f"damaged{damage.suffix}"
    path.write_bytes(damage.data)
    if damage.accepted:
        series = read_series(read_table(path), COLUMNS)
        said = " ".join(series.notices)
        assert np.isfinite(series.target).all()
    else:
        with pytest.raises(DataError) as caught:
            read_series(read_table(path), COLUMNS)
        said = str(caught.value)
        assert said.startswith(f"[{path}")
    for part in damage.says:
        assert part in said, said


def test_the_offered_settings_work(tmp_path: Path) -> None:
    offers = {
        "decimal comma throughout": Reading(decimal=","),
        "time going backwards": Reading(sort=True),
        "day left out": Reading(fill="linear"),
        "empty target inside": Reading(mask_missing=True),
        "infinite target": Reading(mask_missing=True),
        "empty covariate": Reading(fill="forward"),
        "constant target": Reading(allow_constant=True),
    }
    for damage in damaged_files():
        if damage.name in offers:
            path = tmp_path / "damaged.csv"
            path.write_bytes(damage.data)
            assert len(read_series(read_table(path), COLUMNS, offers[damage.name]).time) == LINES - 1
