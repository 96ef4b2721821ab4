"""Objects in S3: uploads, and files derived from them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain
from typing import IO, Any
from urllib.parse import quote

from msgspec import Struct

from chalicelib import errors
from chalicelib.stores.aws.s3_errors import translated

DOWNLOAD_PART_BYTES = 1024 * 1024
# XML 1.0 cannot represent these characters, or changes them; one such key would make a whole batch fail.
_NOT_IN_XML = re.compile("[\x00-\x1f\ufffe\uffff]")


class StoredObject(Struct, frozen=True, kw_only=True):
    key: str
    etag: str
    size_bytes: int
    written_at: datetime


class StoredPart(Struct, frozen=True, kw_only=True):
    number: int
    etag: str
    size_bytes: int


class Downloaded(Struct, frozen=True, kw_only=True):
    etag: str
    size_bytes: int
    sha256: str


class Blobs:
    """A bucket. botocore's errors are translated into NotFound, Unavailable or Misconfigured."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._s3 = client
        self.bucket = bucket

    def download(self, key: str, to_path: str, *, max_bytes: int) -> Downloaded:
        """Download an object to a file and hash it. Raise BadFile "too_large" before reading any of it."""
        with translated():
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
            size_bytes = int(answer["ContentLength"])
            if size_bytes > max_bytes:
                answer["Body"].close()
                raise errors.BadFile(
                    f"The file has {size_bytes:,} bytes; at most {max_bytes:,} are taken.", code="too_large"
                )
            digest = hashlib.sha256()
            with open(to_path, "wb") as out:
                for part in answer["Body"].iter_chunks(DOWNLOAD_PART_BYTES):
                    digest.update(part)
                    out.write(part)
        return Downloaded(etag=_etag(answer["ETag"]), size_bytes=size_bytes, sha256=digest.hexdigest())

    def get(self, key: str) -> bytes:
        with translated():
            return bytes(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def size_of(self, key: str) -> tuple[int, str]:
        """Return (bytes, etag) of an object. Raise NotFound."""
        with translated():
            answer = self._s3.head_object(Bucket=self.bucket, Key=key)
        return int(answer["ContentLength"]), _etag(answer["ETag"])

    def get_range(self, key: str, start: int, size_bytes: int, *, etag: str) -> bytes:
        """Return bytes of exactly this version of the object. Raise BadFile "input_changed" for another one."""
        wanted = f"bytes={start}-{start + size_bytes - 1}"
        try:
            with translated():
                answer = self._s3.get_object(Bucket=self.bucket, Key=key, Range=wanted, IfMatch=etag)
                return bytes(answer["Body"].read())
        except errors.Conflict:
            said = "The file was overwritten while it was read."
            raise errors.BadFile(said, code="input_changed") from None

    def put_parts(self, key: str, parts: Iterator[bytes], *, content_type: str) -> str:
        """Write an object from parts, all but the last of at least 5 MiB; return its etag. One part is held at once."""
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            return self.put(key, first, content_type=content_type)
        multipart_id, etags = self.begin_parts(key, content_type=content_type), dict[int, str]()
        try:
            for number, part in enumerate(chain((first, second), parts), start=1):
                etags[number] = self.put_part(key, multipart_id, number, part)
            self.complete_parts(key, multipart_id, etags)
        except BaseException:
            self.abort_parts(key, multipart_id)
            raise
        return self.size_of(key)[1]

    def put(self, key: str, body: bytes | IO[bytes], *, content_type: str) -> str:
        """Write an object, also from an open file, and return its etag."""
        with translated():
            answer = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
        return _etag(answer["ETag"])

    def delete(self, objects: Mapping[str, str | None]) -> list[str]:
        """Delete up to 1,000 objects, given as key to etag (None for any). Return the keys that need no more work.

        These are deleted now, were never there, or have a newer object with another etag, which stays.
        """
        keys = [key for key, etag in objects.items() if etag is None or self._etag_of(key) == etag]
        if not keys:
            return list(objects)
        alone = {key for key in keys if _NOT_IN_XML.search(key)}
        together = [{"Key": key} for key in keys if key not in alone]
        failed: set[str] = set()
        with translated():
            for key in alone:
                self._s3.delete_object(Bucket=self.bucket, Key=key)
            if together:
                answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": together})
                failed = {error["Key"] for error in answer.get("Errors", ())}
        return [key for key in objects if key not in failed]

    def delete_versions(self, prefix: str) -> int:
        """Delete up to 1,000 versions of objects below the prefix, and uploads in parts; return how many.

        0: nothing is left. Raise Unavailable if S3 kept one.
        """
        where = {"Bucket": self.bucket, "Prefix": prefix}
        with translated():
            listed = self._s3.list_object_versions(**where)
            found = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
            begun = self._s3.list_multipart_uploads(**where).get("Uploads", ())
            for each in found:
                if _NOT_IN_XML.search(each["Key"]):
                    self._s3.delete_object(Bucket=self.bucket, Key=each["Key"], VersionId=each["VersionId"])
            together = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in found
                if not _NOT_IN_XML.search(each["Key"])
            ]
            kept = self._delete_together(together) if together else []
        for each in begun:
            self.abort_parts(each["Key"], each["UploadId"])
        if kept:
            raise errors.Unavailable(
                "The file store kept objects; they are tried again.", code="s3_unavailable"
            )
        return len(found) + len(begun)

    def _delete_together(self, objects: list[dict[str, str]]) -> list[str]:
        answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects})
        return [error["Key"] for error in answer.get("Errors", ())]

    def _etag_of(self, key: str) -> str | None:
        try:
            with translated():
                return _etag(self._s3.head_object(Bucket=self.bucket, Key=key)["ETag"])
        except errors.NotFound:
            return None

    def list_after(self, position: str, *, limit: int, prefix: str = "") -> list[StoredObject]:
        """Return objects in key order behind `position`, at most 1,000."""
        with translated():
            answer = self._s3.list_objects_v2(
                Bucket=self.bucket, StartAfter=position, Prefix=prefix, MaxKeys=limit
            )
        return [
            StoredObject(
                key=found["Key"],
                etag=_etag(found["ETag"]),
                size_bytes=found["Size"],
                written_at=found["LastModified"],
            )
            for found in answer.get("Contents", ())
        ]

    def presign_upload(
        self, key: str, *, content_type: str, size_bytes: int, ttl_s: int
    ) -> tuple[str, dict[str, str]]:
        """Return a POST form for exactly this key, type and size: (url, fields)."""
        with translated():
            post = self._s3.generate_presigned_post(
                Bucket=self.bucket,
                Key=key,
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", size_bytes, size_bytes]],
                ExpiresIn=ttl_s,
            )
        return post["url"], post["fields"]

    def presign_any(self, key: str, *, max_bytes: int, ttl_s: int) -> tuple[str, dict[str, str]]:
        """Return a POST form for this key and any file of 1 to `max_bytes` bytes: (url, fields)."""
        with translated():
            post = self._s3.generate_presigned_post(
                Bucket=self.bucket,
                Key=key,
                Conditions=[["content-length-range", 1, max_bytes]],
                ExpiresIn=ttl_s,
            )
        return post["url"], post["fields"]

    def presign_any_part(self, key: str, multipart_id: str, number: int, *, ttl_s: int) -> str:
        """Return a PUT URL for this part, of any size."""
        part = {"Bucket": self.bucket, "Key": key, "UploadId": multipart_id, "PartNumber": number}
        with translated():
            return str(self._s3.generate_presigned_url("upload_part", Params=part, ExpiresIn=ttl_s))

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Return S3's id of a new upload in parts."""
        with translated():
            begun = self._s3.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
        return str(begun["UploadId"])

    def presign_part(self, key: str, multipart_id: str, number: int, *, size_bytes: int, ttl_s: int) -> str:
        """Return a PUT URL for exactly this part of this size."""
        part = {"Key": key, "UploadId": multipart_id, "PartNumber": number, "ContentLength": size_bytes}
        with translated():
            return str(
                self._s3.generate_presigned_url(
                    "upload_part", Params={"Bucket": self.bucket, **part}, ExpiresIn=ttl_s
                )
            )

    def put_part(self, key: str, multipart_id: str, number: int, body: bytes) -> str:
        """Write a part, in place of one of this number, and return its etag. Raise NotFound if the upload has ended."""
        with translated():
            sent = self._s3.upload_part(
                Bucket=self.bucket, Key=key, UploadId=multipart_id, PartNumber=number, Body=body
            )
        return _etag(sent["ETag"])

    def list_parts(self, key: str, multipart_id: str) -> list[StoredPart]:
        """Return the parts that have arrived, at most 1,000. Raise NotFound if the upload has ended."""
        with translated():
            answer = self._s3.list_parts(Bucket=self.bucket, Key=key, UploadId=multipart_id)
        return [
            StoredPart(number=part["PartNumber"], etag=_etag(part["ETag"]), size_bytes=part["Size"])
            for part in answer.get("Parts", ())
        ]

    def complete_parts(self, key: str, multipart_id: str, etags: Mapping[int, str]) -> None:
        """Join the parts, given as number to etag, to an object.

        Raise InvalidInput, and NotFound if the upload has ended.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
        with translated():
            self._s3.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=multipart_id, MultipartUpload={"Parts": parts}
            )

    def abort_parts(self, key: str, multipart_id: str) -> None:
        """Delete the parts that have arrived. Do nothing if the upload has ended."""
        with suppress(errors.NotFound), translated():
            self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=multipart_id)

    def exists(self, key: str) -> bool:
        return self._etag_of(key) is not None

    def presign_download(
        self, key: str, *, ttl_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """Return a GET URL; with a filename the browser saves it under that name instead of showing it."""
        params = {"Bucket": self.bucket, "Key": key}
        if filename is not None:
            params["ResponseContentDisposition"] = _attachment(filename)
        if content_type is not None:
            params["ResponseContentType"] = content_type
        with translated():
            return str(self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=ttl_s))


def _etag(quoted: str) -> str:
    return quoted.strip('"')


def _attachment(filename: str) -> str:
    """Return the header's value by RFC 6266: an ASCII fallback and the real name, percent-encoded."""
    fallback = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe='')}"
