"""Real ranks for a second's price: forked from one process that has imported torch and DeepSpeed, over gloo."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from loc3r.services.process import free_port

PATIENCE_S = 250


def run_ranks(work: Callable[..., Any], ranks: int, *arguments: Any) -> list[Any]:
    """What ``work(group, *arguments)`` gives on each of so many ranks, all of which are processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["forked_imports"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where the server looks for its imports
        forkserver.ensure_running()
    port, pairs = free_port(), [context.Pipe(duplex=False) for _ in range(ranks)]
    started = [
        context.Process(target=_rank, args=(rank, ranks, port, pairs[rank][1], work, arguments), daemon=True)
        for rank in range(ranks)
    ]
    for process in started:
        process.start()
    try:
        results = [_receive(process, pair) for process, (pair, _) in zip(started, pairs, strict=True)]
    finally:
        for process in started:
            process.kill()
            process.join()
    failed = [told for fine, told in results if not fine]
    assert not failed, failed[0]
    return [told for _, told in results]


def _receive(process: Any, pair: Connection) -> tuple[bool, Any]:
    if not pair.poll(PATIENCE_S):
        return False, f"{process.name} was silent for {PATIENCE_S} s"
    told: tuple[bool, Any] = pair.recv()
    return told


def _rank(
    rank: int, ranks: int, port: int, pair: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    import torch

    from loc3r.train.engine import Group

    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
    os.environ.update({**address, **{name: str(value) for name, value in names.items()}})
    try:
        pair.send((True, work(Group.join("cpu"), *arguments)))
    except BaseException:
        pair.send((False, traceback.format_exc()))
        raise
