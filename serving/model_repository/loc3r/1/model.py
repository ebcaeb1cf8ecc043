"""The Triton model: takes bytes out of tensors, hands them to the engine, sends its events. Thin on purpose.

Tensors cross by DLPack only: the Python backend of Triton 2.51 can't convert numpy 2 arrays (serving/README.md).
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import triton_python_backend_utils as pb_utils
from torch.utils.dlpack import from_dlpack, to_dlpack

from loc3r.client.wire import EVENT, PAYLOAD, REQUEST
from serving.check import check_engine
from serving.engine import Engine
from serving.package import verify_package


class TritonPythonModel:
    """One engine, many requests in flight: waiting questions of a scene are answered together."""

    def initialize(self, args):
        """Load the checkpoint that lies beside this file; the settings come from config.pbtxt.

        Whatever is raised here keeps this version from becoming ready, and the one before goes on serving.
        """
        config = json.loads(args["model_config"])
        settings = {key: value["string_value"] for key, value in config["parameters"].items()}
        if int(settings["threads"]):
            torch.set_num_threads(int(settings["threads"]))
        folder = Path(args["model_repository"]) / args["model_version"]
        version = settings["release"] or args["model_version"]
        verify_package(folder)
        self._waits = _Waits(version)
        self._engine = Engine(
            folder / "checkpoint",
            version=version,
            scene_memory_bytes=int(settings["scene_memory_mib"]) << 20,
            device=settings["device"],
            on_wait=self._waits.add,
        )
        check_engine(self._engine)
        self._pool = ThreadPoolExecutor(int(settings["requests_in_flight"]), thread_name_prefix="request")

    def execute(self, requests):
        """Start each request and return at once; the answers follow on the response senders."""
        for request in requests:
            sender = request.get_response_sender()
            self._pool.submit(self._answer, _bytes(request, REQUEST), _bytes(request, PAYLOAD), sender)

    def finalize(self):
        """Finish what runs, drop what waits."""
        self._pool.shutdown(cancel_futures=True)

    def _answer(self, request, payload, sender):
        try:
            self._engine.handle(request, payload, lambda event: sender.send(_response(event)), sender.is_cancelled)
        finally:
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class _Waits:
    """How long requests wait for the model, in Triton's metrics: its own queue is empty, ours is inside the model."""

    def __init__(self, version):
        self._families = []  # a metric ends with its family
        self._duration_us = self._counter("loc3r_queue_duration_us", "Time that requests waited for the model", version)
        self._requests = self._counter("loc3r_queue_requests", "Requests that had their turn at the model", version)

    def add(self, wait_s):
        self._duration_us.increment(wait_s * 1e6)
        self._requests.increment(1)

    def _counter(self, name, description, version):
        family = pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.COUNTER)
        self._families.append(family)
        return family.Metric(labels={"model": "loc3r", "version": version})


def _bytes(request, name):
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return b"" if tensor is None else from_dlpack(tensor.to_dlpack()).numpy().tobytes()


def _response(event):
    values = torch.frombuffer(bytearray(event), dtype=torch.uint8)
    return pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack(EVENT, to_dlpack(values))])
