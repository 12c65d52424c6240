"""Objects in an S3 bucket, behind the storage port."""

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import get_session

from tickline.errors import Corrupt, LakeError


@cache
def _descriptions() -> Loader:
    return create_loader()


def s3_session() -> boto3.Session:
    """A session with the credentials of now. What describes the service is read from the disk once a process."""
    session = get_session()
    session.register_component("data_loader", _descriptions())
    return boto3.Session(botocore_session=session)


def s3_client(session: boto3.Session, endpoint: str | None) -> Any:
    """A client that gives up on a dead server within seconds. `endpoint` is for servers other than AWS."""
    config = Config(
        retries={"max_attempts": 5, "mode": "standard"},
        connect_timeout=5,
        read_timeout=30,
        s3={"addressing_style": "path"} if endpoint else None,
    )
    return session.client("s3", endpoint_url=endpoint, config=config)


class S3Storage:
    """Objects in a bucket below a prefix. A commit is one conditional put with its checksum.

    Credentials come from the environment or the instance, never from configuration. `endpoint` is for servers
    other than AWS.
    """

    def __init__(self, bucket: str, prefix: str = "", *, endpoint: str | None = None, scratch: Path) -> None:
        self._bucket, self._prefix, self._endpoint = bucket, prefix.strip("/"), endpoint
        self._scratch = scratch
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._session = s3_session()
        self._client = s3_client(self._session, endpoint)

    def stage(self) -> Path:
        """See Storage."""
        descriptor, path = tempfile.mkstemp(dir=self._scratch, suffix=".parquet")
        os.close(descriptor)
        return Path(path)

    def commit(self, staged: Path, name: str, sha256: str) -> None:
        """See Storage."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        try:
            with staged.open("rb") as body:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(name),
                    Body=body,
                    IfNoneMatch="*",
                    ChecksumSHA256=checksum,
                    Metadata={"sha256": sha256},
                )
        except ClientError as error:
            # 412: an object of this name is there already; it counts as success only if it holds our bytes.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                raise self._unreachable("write", name, error) from error
            if self.sha256(name) != sha256:
                raise Corrupt(
                    f"s3://{self._bucket}/{self._key(name)} holds other bytes than its name says; "
                    "run `tickline scrub`, then publish again"
                ) from error
        except BotoCoreError as error:
            raise self._unreachable("write", name, error) from error
        staged.unlink()

    def uri(self, name: str) -> str:
        """See Storage."""
        return f"s3://{self._bucket}/{self._key(name)}"

    def options(self) -> dict[str, str]:
        """See Storage."""
        credentials = self._session.get_credentials()
        options = {"aws_region": self._session.region_name or "us-east-1"}
        if credentials is not None:
            frozen = credentials.get_frozen_credentials()
            options |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
            if frozen.token:
                options["aws_session_token"] = frozen.token
        if self._endpoint:
            options |= {
                "aws_endpoint_url": self._endpoint,
                "aws_allow_http": "true",
                "aws_virtual_hosted_style_request": "false",
            }
        return options

    def exists(self, name: str) -> bool:
        """See Storage."""
        try:
            self._client.head_object(Bucket=self._bucket, Key=self._key(name))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise self._unreachable("read", name, error) from error
        except BotoCoreError as error:
            raise self._unreachable("read", name, error) from error
        return True

    def sha256(self, name: str) -> str:
        """See Storage."""
        digest = hashlib.sha256()
        for chunk in self._stream(name):
            digest.update(chunk)
        return digest.hexdigest()

    def names(self) -> Iterator[str]:
        """See Storage."""
        prefix = f"{self._prefix}/" if self._prefix else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(prefix)
        except (BotoCoreError, ClientError) as error:
            raise self._unreachable("list", prefix, error) from error

    def fetch(self, name: str, target: Path) -> None:
        """See Storage."""
        with target.open("wb") as out:
            for chunk in self._stream(name):
                out.write(chunk)

    def delete(self, name: str) -> None:
        """See Storage."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))
        except (BotoCoreError, ClientError) as error:
            raise self._unreachable("remove", name, error) from error

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _stream(self, name: str) -> Iterator[bytes]:
        try:
            body: Any = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"]
            yield from body.iter_chunks(1 << 20)
        except (BotoCoreError, ClientError) as error:
            raise self._unreachable("read", name, error) from error

    def _unreachable(self, action: str, name: str, error: Exception) -> LakeError:
        return LakeError(
            f"cannot {action} s3://{self._bucket}/{self._key(name)}: {error}. Nothing was changed; "
            "check the bucket, its endpoint and the credentials in the environment"
        )
