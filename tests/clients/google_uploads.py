"""Uploads by the XML API of Google's store, as the gateway makes them, handed on by the JSON API: the emulator takes no
others."""

from __future__ import annotations

import hashlib
import http.client
import urllib.parse
import uuid

from service import Answer, Request, Service, forward

Uploads = dict[str, dict[int, bytes]]


def before(endpoint: str) -> Service:
    """An address for all of the emulator at `endpoint`, uploads included."""
    uploads: Uploads = {}
    return Service(lambda request: answer(endpoint, uploads, request))


def answer(endpoint: str, uploads: Uploads, request: Request) -> Answer:
    bucket, _, name = request.path.removeprefix("/").partition("/")
    query = dict(urllib.parse.parse_qsl(request.target.partition("?")[2], keep_blank_values=True))
    upload = query.get("uploadId")
    if not name or bucket in ("storage", "upload", "download") or request.method not in ("POST", "PUT", "DELETE"):
        return forward(endpoint, request)
    if request.method == "DELETE":
        return Answer(204) if upload and uploads.pop(upload, None) is not None else forward(endpoint, request)
    if "uploads" in query:
        upload = uuid.uuid4().hex
        uploads[upload] = {}
        begun = f"<UploadId>{upload}</UploadId>"
        return Answer(body=f"<InitiateMultipartUploadResult>{begun}</InitiateMultipartUploadResult>".encode())
    if upload and request.method == "PUT":
        uploads[upload][int(query["partNumber"])] = request.body
        return Answer(headers=[("etag", f'"{hashlib.md5(request.body).hexdigest()}"')])
    content = request.body
    if upload:
        parts = uploads.pop(upload)
        content = b"".join(parts[number] for number in sorted(parts))
    return put(endpoint, bucket, urllib.parse.unquote(name), content, completed=bool(upload))


def put(endpoint: str, bucket: str, name: str, content: bytes, *, completed: bool) -> Answer:
    connection = http.client.HTTPConnection(endpoint, timeout=30)
    try:
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        connection.request("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", content)
        answered = connection.getresponse()
        answered.read()
    finally:
        connection.close()
    etag = f'"{hashlib.md5(content).hexdigest()}"'
    body = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>" if completed else ""
    return Answer(answered.status, body.encode(), [("etag", etag), ("x-goog-generation", "1")])
