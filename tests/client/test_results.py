"""Values that a caller sees, the map that is drawn from them, and what importing the client costs."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from loc3r.client.map import draw_map
from loc3r.client.results import LayoutMap, Pose, answer_of
from loc3r.client.wire import ModelInfo

MODEL = ModelInfo("1", "hash")


def pose(**changes):
    values = dict(x_m=1, y_m=2, sigma_x_m=0.2, sigma_y_m=0.5, heading_rad=-1.5707963, heading_concentration=0.9)
    return Pose(**{**values, "model": MODEL, **changes})


@pytest.mark.parametrize(("limit", "confident"), [(None, True), (0.5, True), (0.49, False)])
def test_locate_or_decline_looks_at_the_larger_axis(limit, confident):
    assert pose(max_sigma_m=limit).confident is confident


def test_units():
    assert pose().heading_deg == pytest.approx(-90) and pose().sigma_m == 0.5


def test_an_answer_joins_its_pieces():
    answer = answer_of([pose(), " a", " chair", ""])
    assert (answer.text, answer.model) == ("a chair", MODEL)
    assert answer_of([pose()]).text == ""


def test_the_map_shows_the_pose_where_it_is(tmp_path):
    layout = LayoutMap((0.0, 3.0), (0.0, 3.0), (0.1, 0.4), ("#0000ff", "#00ff00"), MODEL)
    crimson = []
    for x_m, y_m in ((0.3, 2.7), (2.7, 0.3)):
        draw_map(tmp_path / "map.png", layout, pose(x_m=x_m, y_m=y_m, sigma_x_m=0.05, sigma_y_m=0.05), "I am here")
        picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
        crimson.append(np.argwhere((picture == (220, 20, 60)).all(-1)).mean(0))
    (up, left), (down, right) = crimson
    assert left < right and up < down
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


def test_importing_the_client_loads_nothing_heavy():
    code = (
        "import sys, loc3r.client; from loc3r.client import Loc3R, AsyncLoc3R, Scene, Pose, Answer;"
        "print([m for m in ('torch', 'mlflow', 'transformers', 'matplotlib', 'av') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
