"""Judged benchmarks: a real HTTP server as judge, the cache, and what is said without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from score_lines import read, report, sqa3d

from loc3r.errors import JudgeError, ScoreError
from loc3r.score.beacon3d import is_binary
from loc3r.score.judge import CachedJudge, EndpointJudge, Message, Question, configured_judge, rating
from loc3r.settings import Settings


class Server(ThreadingHTTPServer):
    """An OpenAI-compatible endpoint that rates by the answer's length, or fails as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.failures: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers["Authorization"])
        if self.server.failures:
            self.answer(self.server.failures.pop(0), {"error": "told to fail"})
            return
        self.server.requests.append(request)
        said = request["messages"][-1]["content"].split("\n")[1].removeprefix("Answer: ")
        rated = "no idea" if said == "mumble" else f"Score: {min(5, max(1, len(said)))}."
        self.answer(200, {"choices": [{"message": {"role": "assistant", "content": rated}}]})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def judge_at(server: Server, folder: Path) -> CachedJudge:
    return CachedJudge(EndpointJudge(server.url, "tiny", "secret", wait_s=0), f"tiny at {server.url}", folder)


def ask(*answers: str) -> list[Question]:
    return [Question("What?", answer, "chair") for answer in answers]


def test_a_question_is_asked_once_and_its_reply_kept(server: Server, tmp_path: Path) -> None:
    judge = judge_at(server, tmp_path)
    assert judge.rate(ask("a", "abc", "abcdefg", "a", "mumble")) == [1, 3, 5, 1, 1]
    assert judge.record() | {"name": "", "prompt": ""} == {
        "name": "", "prompt": "", "asked": 4, "from_cache": 0, "unreadable": 1,
    }  # fmt: skip
    again = judge_at(server, tmp_path)
    assert again.rate(ask("abc", "abcd")) == [3, 4]
    assert (again.asked, again.from_cache) == (1, 1)
    assert len(server.requests) == 5 and server.keys == {"Bearer secret"}
    request = server.requests[0]
    assert request["model"] == "tiny" and request["temperature"] == 0 and request["messages"][0]["role"] == "system"
    assert request["messages"][-1]["content"].startswith("Question: What?\nAnswer: ")


def test_another_prompt_or_judge_does_not_share_replies(server: Server, tmp_path: Path) -> None:
    judge_at(server, tmp_path).rate(ask("abc"))
    other = judge_at(server, tmp_path)
    other.prompt = [{"role": "system", "content": "Be kind."}]
    other.rate(ask("abc"))
    assert other.asked == 1 and other.record()["prompt"] != judge_at(server, tmp_path).record()["prompt"]


def test_a_busy_judge_is_asked_again_and_a_refusing_one_is_not(server: Server, tmp_path: Path) -> None:
    server.failures = [500, 429]
    assert judge_at(server, tmp_path).rate(ask("abc")) == [3]
    server.failures = [401, 401]
    with pytest.raises(JudgeError, match="401"):
        judge_at(server, tmp_path).rate(ask("abcd"))
    assert server.failures == [401]


def test_what_was_judged_before_a_failure_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    judge = judge_at(server, tmp_path)
    judge.workers = 1
    judge.rate(ask("a", "ab"))
    server.failures = [400]
    with pytest.raises(JudgeError):
        judge.rate(ask("a", "ab", "abc"))
    (kept,) = tmp_path.glob("*.jsonl")
    kept.write_text(kept.read_text() + '{"key": "half')  # killed while writing
    again = judge_at(server, tmp_path)
    assert again.rate(ask("a", "ab", "abc")) == [1, 2, 3]
    assert (again.asked, again.from_cache) == (1, 2)


def test_no_server_is_a_clear_error(tmp_path: Path) -> None:
    judge = EndpointJudge("http://127.0.0.1:9/v1", "tiny", attempts=2, wait_s=0)
    with pytest.raises(JudgeError) as error:
        CachedJudge(judge, "tiny", tmp_path).rate(ask("a"))
    assert "127.0.0.1:9" in str(error.value) and "LOC3R_JUDGE_URL" in str(error.value)


@pytest.mark.parametrize(
    ("reply", "expected"), [("4", 4), ("Score: 5/5", 5), ("I rate it 2.", 2), ("", None), ("10", None), ("0", None)]
)
def test_the_first_integer_of_a_reply_is_the_rating(reply: str, expected: int | None) -> None:
    assert rating(reply) == expected


def strict(messages: Sequence[Message]) -> str:
    """A judge without a server."""
    return "5" if "lamp" in messages[-1]["content"] else "2"


def test_judges_of_a_command_line(server: Server, tmp_path: Path) -> None:
    settings = Settings(judge_url=server.url, judge_model="tiny", judge_api_key=SecretStr("k"), cache_dir=tmp_path)
    judge = configured_judge("endpoint", None, settings)
    assert judge.rate(ask("abcd")) == [4] and judge.label == f"tiny at {server.url}"
    prompt = tmp_path / "prompt.json"
    prompt.write_text(json.dumps([{"role": "system", "content": "Rate."}]))
    local = configured_judge("test_score_judge:strict", prompt, settings)
    assert local.rate(ask("a lamp", "a desk")) == [5, 2] and local.prompt[0]["content"] == "Rate."
    for name in ("nowhere:judge", "test_score_judge:nobody", "endpoints"):
        with pytest.raises(JudgeError):
            configured_judge(name, None, settings)
    with pytest.raises(JudgeError, match="no judge is configured"):
        configured_judge("endpoint", None, Settings(judge_url="", judge_model=""))


def msqa(pred: str, answer: str, kind: str = "counting", number: int = 0) -> dict[str, Any]:
    return {
        "index": number, "scan_id": "scene0231_00", "type": kind, "question": "What?", "answers": [answer],
        "pred": pred,
    }  # fmt: skip


def test_msqa_without_a_judge() -> None:
    lines = [
        msqa("two", "2"),
        msqa("a chair", "brown chair", "attribute", 1),  # refined only
        msqa("a a chair", "chair", "description", 2),  # the strict match normalises twice
        msqa("", "left", "refer", 3),
    ]
    found = report("msqa", "msr3d", lines)
    assert (found.metrics["em"], found.metrics["em_r"], found.empty_answers) == (50, 100, 1)
    assert (found.metrics["em/attribute_description"], found.metrics["em_r/spatial_refer"]) == (50, 100)
    assert found.to_json()["metrics"]["judge"] is None and "no judge" in found.missing["judge"]


def test_msqa_with_a_judge_averages_a_scale_from_0_to_100(server: Server, tmp_path: Path) -> None:
    lines = [msqa("abcde", "x"), msqa("a", "x", "affordance", 1), msqa("abc", "x", "room type", 2)]
    found = report("msqa", "msr3d", lines, judge_at(server, tmp_path))
    assert found.metrics["judge"] == pytest.approx(50)
    assert (found.metrics["judge/counting"], found.metrics["judge/others"]) == (100, 25)
    assert found.judge and found.judge["name"].startswith("tiny at") and found.judge["asked"] == 3
    assert found.baselines["frequent answer"].keys().isdisjoint({"judge"})  # nobody pays for a baseline


def beacon(
    pred: str, truth: str, thing: int = 0, number: int = 0, tag: str = "spatial", extra: int = 0
) -> dict[str, Any]:
    return {
        "question_id": f"scene0025_00_{thing}_{number}_{tag}_{extra}", "scene_id": "scene0025_00", "question": "What?",
        "answers": [truth], "pred": pred,
    }  # fmt: skip


def test_a_question_is_binary_by_the_letters_of_its_truth() -> None:
    assert is_binary(["no"]) and is_binary(["yes, it is"])
    assert is_binary(["piano"]) and is_binary(["brown note"])  # the original looks for letters, not words
    assert not is_binary(["chair"])


def test_beacon3d_asks_the_judge_what_matches_do_not_settle(server: Server, tmp_path: Path) -> None:
    lines = [
        beacon("No", "no", 1, 0),  # exact: 5
        beacon("no, it isn't", "no", 1, 1, "existence"),  # refined and binary: 5
        beacon("abcd", "chair", 1, 2, "class"),  # judged: 4, still good
        beacon("ab", "chair", 2, 0),  # 2
        beacon("abcde", "chair", 2, 1),
        beacon("chairs", "chair", 2, 2, extra=1),  # refined but not binary: judged
    ]
    found = report("beacon3d", "beacon3d", lines, judge_at(server, tmp_path))
    assert len(server.requests) == 4
    assert any("Ground Truth: ['chair']" in r["messages"][-1]["content"] for r in server.requests)
    assert found.metrics["case"] == pytest.approx(100 * (4 + 4 + 3 + 1 + 4 + 4) / 24)
    assert found.metrics["object"] == 50  # one object has three good answers
    assert (found.metrics["case/existence"], found.metrics["em"]) == (100, pytest.approx(100 / 6))
    grounded = [{**line, "grounded": i < 3} for i, line in enumerate(lines)]
    chain = report("beacon3d", "beacon3d", grounded, judge_at(server, tmp_path)).metrics
    assert (chain["r1"], chain["r2"]) == (0, pytest.approx(100 * 2 / 5))


def test_beacon3d_without_a_judge_and_the_real_questions(shared_data: Path) -> None:
    rows = read(shared_data / "beacon3d" / "scannet_qa.json")
    known = ("question_id", "scene_id", "question", "answers")
    lines = [{**{key: row[key] for key in known}, "pred": row["answers"][0]} for row in rows]
    found = report("beacon3d", "beacon3d", lines)
    assert found.n == 1155 and found.units == 16 and set(found.metrics.values()) == {100}
    assert found.to_json()["metrics"]["case"] is None
    judged = report("beacon3d", "beacon3d", lines, CachedJudge(strict, "nobody", shared_data))
    assert (judged.metrics["case"], judged.metrics["object"]) == (100, 100)  # every answer is exact: nobody is asked


def test_the_real_questions_of_msqa(shared_data: Path) -> None:
    rows = read(shared_data / "msqa" / "msqa_scannet_test_subset_827.json")
    known = ("index", "scan_id", "type", "question", "answers")
    found = report("msqa", "msr3d", [{**{key: row[key] for key in known}, "pred": row["answers"][0]} for row in rows])
    assert found.n == sum(found.counts.values()) == 827 and set(found.metrics.values()) == {100}
    assert set(found.counts) == {
        "counting", "existence", "attribute_description", "spatial_refer", "navigation", "others",
    }  # fmt: skip


def test_a_judge_of_questions_with_one_right_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="no open answers"):
        report("sqa3d", "leo", [sqa3d("a", "a")], CachedJudge(strict, "strict", tmp_path))
