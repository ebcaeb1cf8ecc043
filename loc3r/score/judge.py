"""A judge of open answers: any callable or OpenAI-compatible endpoint that rates from 1 to 5, asked once per question.

MSQA and Beacon3D were published with GPT-4o as judge. Scores by different judges or prompts are not comparable, so a
score carries the name of both. Replies are kept on disk by the hash of what was asked: a second run costs nothing, and
a killed one goes on.
"""

from __future__ import annotations

import importlib
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loc3r.errors import JudgeError
from loc3r.files import hash_json
from loc3r.journal import Journal
from loc3r.settings import Settings

Message = dict[str, str]
Judge = Callable[[Sequence[Message]], str]
"""Takes chat messages ({"role", "content"}), gives the reply."""
Tick = Callable[[int, int], None]
"""Told how many questions of how many are judged."""

PROMPT: tuple[Message, ...] = (
    {
        "role": "system",
        "content": (
            "You rate answers to questions about a room. Compare the answer with the ground truth and reply with one "
            "integer from 1 to 5 and nothing else. 5: the same meaning. 4: right, with a small inaccuracy. 3: partly "
            "right. 2: mostly wrong. 1: wrong, contradicting or empty. Wording, case and length do not matter. For "
            "directions on a clock face, one hour off is 4 and the opposite side is 1. For counts, only the same "
            "number is 5."
        ),
    },
)
"""Ours. The originals' prompts can be given instead, as JSON lists of messages."""
LOWEST, HIGHEST = 1, 5


@dataclass(frozen=True)
class Question:
    """What a judge is shown."""

    question: str
    answer: str
    truth: str

    def message(self) -> Message:
        """The user's message, as MSR3D's and Beacon3D's evaluators write it."""
        return {
            "role": "user",
            "content": f"Question: {self.question}\nAnswer: {self.answer}\nGround Truth: {self.truth}",
        }


@dataclass(frozen=True)
class EndpointJudge:
    """A model behind an OpenAI-compatible ``/chat/completions``, asked without sampling."""

    url: str
    model: str
    api_key: str = ""
    timeout_s: float = 60
    attempts: int = 4
    wait_s: float = 1
    """Before the second attempt; doubled before each further one."""

    def __call__(self, messages: Sequence[Message]) -> str:
        """The reply.

        Raises:
            JudgeError: the endpoint refuses, or does not answer after some attempts.
        """
        for attempt in range(self.attempts):
            try:
                return self._ask(messages)
            except urllib.error.HTTPError as error:
                said = f"HTTP {error.code} {error.read()[:200].decode(errors='replace')}"
                if error.code != 429 and error.code < 500:
                    break
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                said = f"{type(error).__name__}: {error}"
            if attempt + 1 < self.attempts:
                time.sleep(self.wait_s * 2**attempt)
        raise JudgeError(
            f"the judge at {self.url} gives no rating", received=said, expected=f"a chat completion by {self.model}",
            fix="check LOC3R_JUDGE_URL, LOC3R_JUDGE_MODEL and LOC3R_JUDGE_API_KEY; what was judged before is kept",
        )  # fmt: skip

    def _ask(self, messages: Sequence[Message]) -> str:
        body = json.dumps({"model": self.model, "messages": list(messages), "temperature": 0}).encode()
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", body, headers)
        with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
            return str(json.load(response)["choices"][0]["message"]["content"] or "")


@dataclass
class CachedJudge:
    """A judge that is asked each question once, with a record of how it went."""

    judge: Judge
    label: str
    """Who judges, as the score will say."""
    folder: Path
    """Where replies are kept."""
    prompt: Sequence[Message] = PROMPT
    workers: int = 8
    tick: Tick | None = None
    asked: int = field(default=0, init=False)
    from_cache: int = field(default=0, init=False)
    unreadable: int = field(default=0, init=False)

    def rate(self, questions: Sequence[Question]) -> list[int]:
        """Ratings from 1 to 5; a reply without one counts as 1 and is counted as unreadable.

        Raises:
            JudgeError: the judge fails; its replies so far are kept.
        """
        keys = [self._key(question) for question in questions]
        kept = Journal(self.folder / f"{hash_json([self.label, list(self.prompt)])}.jsonl")
        replies = {key: line["reply"] for key, line in kept.by("key").items()}
        fresh = {key: question for key, question in zip(keys, questions, strict=True) if key not in replies}
        self.from_cache += len(set(keys)) - len(fresh)
        self.asked += len(fresh)
        replies |= self._ask_all(fresh, kept)
        ratings = [rating(replies[key]) for key in keys]
        self.unreadable += ratings.count(None)
        return [LOWEST if found is None else found for found in ratings]

    def record(self) -> dict[str, Any]:
        """What a score says of its judge."""
        return {
            "name": self.label,
            "prompt": hash_json(list(self.prompt)),
            "asked": self.asked,
            "from_cache": self.from_cache,
            "unreadable": self.unreadable,
        }

    def _ask_all(self, questions: dict[str, Question], kept: Journal) -> dict[str, str]:
        lock, replies = threading.Lock(), dict[str, str]()

        def ask(key: str) -> None:
            reply = self.judge([*self.prompt, questions[key].message()])
            with lock:
                replies[key] = reply
                kept.append([{"key": key, "reply": reply}])
                if self.tick:
                    self.tick(len(replies), len(questions))

        pool = ThreadPoolExecutor(self.workers)
        try:
            for _ in pool.map(ask, questions):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
        return replies

    def _key(self, question: Question) -> str:
        return hash_json(question.message())


def rating(reply: str) -> int | None:
    """The first integer of a reply, if it is from 1 to 5."""
    found = re.search(r"\d+", reply)
    value = int(found[0]) if found else 0
    return value if LOWEST <= value <= HIGHEST else None


def configured_judge(name: str, prompt: Path | None, settings: Settings, tick: Tick | None = None) -> CachedJudge:
    """The judge of a command line.

    Args:
        name: ``endpoint`` for the one that the settings name, or ``package.module:function`` for a callable.
        prompt: JSON list of messages to use instead of ours.

    Raises:
        JudgeError: it isn't configured, or can't be imported.
    """
    messages = tuple(json.loads(prompt.read_text())) if prompt else PROMPT
    judge, label = _endpoint(settings) if name == "endpoint" else _callable(name)
    return CachedJudge(judge, label, settings.cache_dir / "judge", messages, tick=tick)


def _endpoint(settings: Settings) -> tuple[Judge, str]:
    if not (settings.judge_url and settings.judge_model):
        raise JudgeError(
            "no judge is configured", received=f"url {settings.judge_url!r}, model {settings.judge_model!r}",
            expected="an OpenAI-compatible endpoint and a model",
            fix="set LOC3R_JUDGE_URL (such as http://127.0.0.1:8080/v1) and LOC3R_JUDGE_MODEL",
        )  # fmt: skip
    judge = EndpointJudge(settings.judge_url, settings.judge_model, settings.judge_api_key.get_secret_value())
    return judge, f"{settings.judge_model} at {settings.judge_url}"


def _callable(name: str) -> tuple[Judge, str]:
    module, _, attribute = name.partition(":")
    try:
        judge: Judge = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise JudgeError(
            f"no judge called {name}", received=error, expected="endpoint, or package.module:function",
            fix="the function takes a list of chat messages and returns the reply",
        ) from None  # fmt: skip
    return judge, name
