"""Fetching over real sockets, from folders and from the embedded S3: told first, resumed, verified, recorded."""

import hashlib
import random

import pytest
from click.testing import CliRunner
from hub_server import COMMIT, REPOSITORY, serving

from loc3r.errors import CheckpointError, ServiceError
from loc3r.fetch.catalogue import CATALOGUE, Weights, weights_of
from loc3r.fetch.command import fetch
from loc3r.fetch.download import plan_fetch, run
from loc3r.fetch.sources import CHUNK_BYTES, Address, FolderMirror, Hub, WebMirror, source_of
from loc3r.files import read_json
from loc3r.priors.base import PRIORS
from loc3r.services.s3 import S3Server
from loc3r.settings import Settings

LLAVA = CATALOGUE["llava-video-7b"]
FILES = {
    "config.json": b'{"architectures": ["LlavaQwenForCausalLM"]}',
    "model-00001-of-00002.safetensors": random.Random(0).randbytes(3_000_000),
    "model-00002-of-00002.safetensors": random.Random(1).randbytes(50_000),
    "tokenizer.json": b"{}",
    "training_args.bin": b"a pickle that nobody asked for",
}
WANTED = {name: content for name, content in FILES.items() if not name.endswith(".bin")}


@pytest.fixture
def hub():
    with serving(dict(FILES)) as server:
        yield server


def from_hub(hub, folder):
    return run(plan_fetch(LLAVA, Hub(LLAVA, hub.url), folder, pause_s=0.01), pause_s=0.01)


def here(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "fetched.json"}


def test_the_plan_is_told_before_anything_comes(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("LOC3R_HUB_URL", hub.url)
    monkeypatch.setenv("LOC3R_CACHE_DIR", str(tmp_path))
    refused = CliRunner().invoke(fetch, ["llava-video-7b"], input="n\n")
    told = refused.output
    licence = "Apache-2.0 (commercial use allowed; the source says apache-2.0, mit)"
    for words in (licence, hub.url, COMMIT, "3.05 MB in all"):
        assert words in told, told
    assert hub.stated["model-00001-of-00002.safetensors"][:12] in told
    assert "training_args.bin" not in told
    assert list(tmp_path.iterdir()) == [] and all(path.startswith("/api/") for path, _ in hub.asked)
    done = CliRunner().invoke(fetch, ["llava-video-7b"], input="y\n", catch_exceptions=False)
    folder = tmp_path / "backbones" / "llava-video-7b"
    assert here(folder) == WANTED
    assert f"loc3r train --recipe recipes/loc3r-7b.yaml --init {folder}" in done.output


def test_what_came_is_recorded_with_its_hashes(hub, tmp_path):
    record = read_json(from_hub(hub, tmp_path) / "fetched.json")
    assert (record["name"], record["revision"], record["licence"]) == ("llava-video-7b", COMMIT, "Apache-2.0")
    assert record["licence_at_source"] == "apache-2.0, mit"
    assert record["source"] == f"{hub.url}/{REPOSITORY}"
    assert {name: told["sha256"] for name, told in record["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in WANTED.items()
    }
    assert all(told["hash_stated_by_source"] for told in record["files"].values())


def test_a_connection_cut_in_mid_file_is_taken_up_where_it_broke(hub, tmp_path):
    hub.cuts = [43, 1_000_000, 500_000]
    assert here(from_hub(hub, tmp_path)) == WANTED
    ranges = [r for path, r in hub.asked if path == "/cdn/model-00001-of-00002.safetensors"]
    kept = [1_000_000 // CHUNK_BYTES * CHUNK_BYTES]
    kept.append(kept[0] + 500_000 // CHUNK_BYTES * CHUNK_BYTES)
    assert ranges == ["bytes=0-", *(f"bytes={start}-" for start in kept)]


def test_a_fetch_that_was_stopped_goes_on_in_the_next_run(hub, tmp_path):
    hub.cuts = [43, 700_000, *[0] * 20]
    with pytest.raises(ServiceError, match="goes on where it stopped"):
        from_hub(hub, tmp_path)
    (part,) = tmp_path.glob("*.part")
    kept = 700_000 // CHUNK_BYTES * CHUNK_BYTES
    assert part.stat().st_size == kept and not (tmp_path / "fetched.json").exists()
    hub.cuts, hub.asked = [], []
    assert plan_fetch(LLAVA, Hub(LLAVA, hub.url), tmp_path).here_bytes == kept + len(FILES["config.json"])
    assert here(from_hub(hub, tmp_path)) == WANTED
    assert ("/cdn/model-00001-of-00002.safetensors", f"bytes={kept}-") in hub.asked


def test_a_second_run_downloads_nothing(hub, tmp_path):
    from_hub(hub, tmp_path)
    hub.asked.clear()
    from_hub(hub, tmp_path)
    assert [path.startswith("/api/") for path, _ in hub.asked] == [True]


def test_a_server_without_ranges_is_read_anew_from_its_start(hub, tmp_path):
    hub.cuts = [43, 1_000_000]
    hub.ranges = False
    assert here(from_hub(hub, tmp_path)) == WANTED


def test_damage_on_the_way_is_found_and_thrown_away(hub, tmp_path):
    name = "model-00002-of-00002.safetensors"
    hub.files[name] = b"x" + FILES[name][1:]
    with pytest.raises(CheckpointError, match=f"{name} came damaged"):
        from_hub(hub, tmp_path)
    assert not list(tmp_path.glob("model-00002*"))
    hub.files[name] = FILES[name]
    assert here(from_hub(hub, tmp_path)) == WANTED


def test_a_file_that_was_damaged_here_comes_again(hub, tmp_path):
    from_hub(hub, tmp_path)
    for name in ("config.json", "model-00002-of-00002.safetensors"):
        (tmp_path / name).write_bytes(FILES[name][:-1] + b"!")
    assert here(from_hub(hub, tmp_path)) == WANTED


def test_refusals_say_what_to_do(hub, tmp_path):
    hub.status = 403
    with pytest.raises(ServiceError, match="403") as caught:
        from_hub(hub, tmp_path)
    assert "LOC3R_HUB_TOKEN" in caught.value.fix and LLAVA.page in caught.value.fix
    hub.status = 503
    with pytest.raises(ServiceError, match="went away"):
        from_hub(hub, tmp_path)
    assert len(hub.asked) == 1 + 5


def test_a_page_in_place_of_the_file_is_no_file(hub, tmp_path):
    """Google Drive answers with a page when too many ask."""
    hub.media = "text/html; charset=utf-8"
    weights = Weights("w", "", "", False, "https://example.org", "priors", address=f"{hub.url}/cdn/config.json")
    with pytest.raises(ServiceError, match="a web page") as caught:
        plan_fetch(weights, Address(weights), tmp_path)
    assert "--from FOLDER" in caught.value.fix


def test_one_address_states_no_hash_so_its_own_is_recorded(hub, tmp_path):
    name = "model-00002-of-00002.safetensors"
    weights = Weights("w", "", "", False, "", "priors", files=(name,), address=f"{hub.url}/cdn/{name}")
    plan = plan_fetch(weights, Address(weights), tmp_path)
    assert "no hash stated" in "\n".join(plan.lines()) and plan.size_bytes == 50_000
    run(plan)
    told = read_json(tmp_path / "fetched.json")["files"][name]
    assert told == {"size_bytes": 50_000, "sha256": hub.stated[name], "hash_stated_by_source": False}


def test_a_disk_that_is_too_small_is_told_first(hub, tmp_path, monkeypatch):
    class Usage:
        free = 1_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(ServiceError, match="disk is too small"):
        plan_fetch(LLAVA, Hub(LLAVA, hub.url), tmp_path)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """What a fetch wrote: the mirror that others copy."""
    folder = tmp_path_factory.mktemp("mirror")
    with serving(dict(FILES)) as hub:
        return from_hub(hub, folder)


def test_a_folder_is_a_mirror(fetched, tmp_path):
    plan = plan_fetch(LLAVA, FolderMirror(LLAVA, fetched), tmp_path / "copy")
    assert plan.listing.revision == COMMIT
    assert here(run(plan)) == WANTED


def test_a_folder_without_a_record_is_taken_as_it_lies(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for name, content in FILES.items():
        (own / name).write_bytes(content)
    assert here(run(plan_fetch(LLAVA, FolderMirror(LLAVA, own), tmp_path / "copy"))) == WANTED
    with pytest.raises(CheckpointError, match="none of the files"):
        plan_fetch(LLAVA, FolderMirror(LLAVA, tmp_path / "empty"), tmp_path / "copy")


def test_a_mirror_of_other_weights_is_refused(fetched, tmp_path):
    with pytest.raises(CheckpointError, match="the mirror holds other weights"):
        plan_fetch(CATALOGUE["vggt"], FolderMirror(CATALOGUE["vggt"], fetched), tmp_path)


@pytest.mark.parametrize("record", ["", "[]", '{"name": "llava', '{"name": "x", "files": {"a": {"size_bytes": 1}}}'])
def test_a_damaged_record_is_named_in_a_mirror_and_written_anew_at_home(fetched, tmp_path, record):
    copied = run(plan_fetch(LLAVA, FolderMirror(LLAVA, fetched), tmp_path / "copy"))
    whole = read_json(copied / "fetched.json")
    (copied / "fetched.json").write_text(record)
    with pytest.raises(
        CheckpointError, match=r"(?s)record of a fetch is damaged: .*/copy/fetched\.json.*copy it again"
    ):
        plan_fetch(LLAVA, FolderMirror(LLAVA, copied), tmp_path / "other")
    run(plan_fetch(LLAVA, FolderMirror(LLAVA, fetched), copied))
    assert read_json(copied / "fetched.json") == whole and here(copied) == WANTED


def test_a_web_folder_is_a_mirror_by_its_record(fetched, tmp_path):
    with serving({path.name: path.read_bytes() for path in fetched.iterdir()}) as web:
        web.cuts = [10_000_000, 10_000_000, 900_000]  # the record and config.json whole, then a cut
        source = WebMirror(LLAVA, f"{web.url}/mirror")
        assert here(run(plan_fetch(LLAVA, source, tmp_path), pause_s=0.01)) == WANTED


def test_s3_is_a_mirror_and_resumes(fetched, tmp_path):
    with S3Server(tmp_path / "s3", access_key="me", secret_key="secret", buckets=("models",)) as server:
        client = server.access.client()
        for path in fetched.iterdir():
            client.upload_file(str(path), "models", f"weights/llava/{path.name}")
        settings = Settings(s3_endpoint=server.access.endpoint, s3_access_key="me", s3_secret_key="secret")
        source = source_of(LLAVA, "s3://models/weights/llava", settings)
        plan = plan_fetch(LLAVA, source, tmp_path / "out")
        assert plan.listing.revision == COMMIT and plan.size_bytes == sum(map(len, WANTED.values()))
        name = "model-00001-of-00002.safetensors"
        part = tmp_path / "out" / f"{name}.{hashlib.sha256(FILES[name]).hexdigest()[:12]}.part"
        part.parent.mkdir()
        part.write_bytes(FILES[name][:2_000_000])
        came = []
        run(plan, came.append)
        assert here(tmp_path / "out") == WANTED and 2_000_000 in came  # the part counted as here, not brought again
        with pytest.raises(CheckpointError, match="none of the files"):
            plan_fetch(LLAVA, source_of(LLAVA, "s3://models/elsewhere", settings), tmp_path / "out")
        with pytest.raises(ServiceError, match="NoSuchBucket"):
            plan_fetch(LLAVA, source_of(LLAVA, "s3://nowhere/x", settings), tmp_path / "out")


def test_the_catalogue_agrees_with_the_priors():
    for name, weights in CATALOGUE.items():
        if weights.place == "priors":
            assert (weights.licence, weights.commercial) == (PRIORS[name].licence, PRIORS[name].commercial)
    assert {name for name, card in PRIORS.items() if card.slow} <= CATALOGUE.keys()
    with pytest.raises(CheckpointError, match="llava-video-7b"):
        weights_of("llava")


def test_without_a_name_it_lists_what_there_is():
    told = CliRunner().invoke(fetch, []).output
    assert all(name in told for name in CATALOGUE) and "CC-BY-NC-SA-4.0, not for commercial use" in told
