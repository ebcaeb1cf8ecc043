from __future__ import annotations

import signal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from loc3r.services.process import free_port, free_ports
from loc3r.services.s3 import BUCKETS, S3Access, S3Server


def test_it_keeps_what_it_was_given_through_a_kill_and_checks_keys(tmp_path: Path) -> None:
    port = free_port()
    with S3Server(tmp_path / "s3", access_key="me", secret_key="secret", port=port) as server:
        assert isinstance(server, S3Server)
        assert server.access.endpoint == f"http://127.0.0.1:{port}"
        assert server.access.buckets() >= set(BUCKETS)
        server.access.client().put_object(Bucket="dvc", Key="a/b", Body=b"kept")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            S3Access(server.access.endpoint, "me", "wrong").buckets()
        assert server.stop_signal == signal.SIGKILL
    with S3Server(tmp_path / "s3", access_key="me", secret_key="secret") as again:
        assert isinstance(again, S3Server)
        assert again.access.endpoint != f"http://127.0.0.1:{port}"  # another port, the same data
        assert again.access.client().get_object(Bucket="dvc", Key="a/b")["Body"].read() == b"kept"


def test_ports_are_all_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_the_secret_is_not_printed() -> None:
    assert "hush" not in repr(S3Access("http://127.0.0.1:1", "me", "hush"))
