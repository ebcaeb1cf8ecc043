from __future__ import annotations

from loc3r.scenes.sources import source_of


def test_scenes_are_known_by_their_names() -> None:
    names = ("scene0025_00", "41069021", "09c1414f1b", "room_000001_00")
    assert [source_of(name) for name in names] == ["scannet", "arkitscenes", "scannetpp", "synthetic"]
