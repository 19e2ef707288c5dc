"""Files to and from volumes by the API: uploads by tus with a token, fetches, downloads; the same rights and actions as the pages.

How a program uploads: docs/uploading.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from kombu.exceptions import OperationalError
from ninja import Header, Query, Router, Schema
from ninja.errors import HttpError
from pydantic import Field
from redis.exceptions import RedisError

from accounts.api import person
from accounts.roles import Role
from hosts.storage import access as storage_access
from hosts.storage.transfers import access, actions, answering, outlet, ranges, tus
from hosts.storage.transfers.answering import AWAY
from hosts.storage.transfers.forms import FetchForm
from hosts.storage.transfers.models import Incoming
from jobs.api import Id, JobOut, accepted
from jobs.submit import Refused

router = Router()


class UploadOut(Schema):
    """A file on its way to a volume. `offset`: from which byte on its sender goes on. `state`: as of its job."""

    id: UUID
    name: str
    pool_id: int
    pool_name: str
    host_id: int
    host_name: str
    source: str = Field(description='"browser": brought by tus; "url": fetched')
    file_name: str
    state: str
    offset: int
    size: int
    phase: str
    error: str
    warning: str = Field(description="it is whole, but not what its name says")
    sha256: str = Field(description="of what came, once all of it is there")
    job: int | None
    created_at: datetime
    expires_at: datetime

    @staticmethod
    def of(incoming: Incoming) -> UploadOut:
        pool = incoming.place.pool
        return UploadOut(
            id=incoming.pk,
            name=incoming.place.name,
            pool_id=pool.pk,
            pool_name=pool.name,
            host_id=pool.host_id,
            host_name=pool.host.name,
            source=incoming.source,
            file_name=incoming.file_name,
            created_at=incoming.created_at,
            expires_at=answering.expires_at(incoming),
            **answering.state(incoming),
        )


class UploadPage(Schema):
    total: int
    items: list[UploadOut]


class UploadFilter(Schema):
    pool_id: Id | None = Field(None, description="only to this pool")
    ended: bool = Field(False, description="also those that are done, failed or cancelled")
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(100, ge=1, le=500)


class FetchIn(Schema):
    """`checksum`: SHA-256, SHA-384 or SHA-512; what does not fit is removed."""

    url: str = Field(max_length=2000)
    name: str = Field("", max_length=255, description="of the volume; empty: as the file is called there")
    checksum: str = Field("", max_length=300)


Answer = Callable[..., Any]
Version = Annotated[str, Header("", alias="Tus-Resumable", description="1.0.0")]


def _speaks_tus(call: Answer) -> Answer:
    """What is wrong is said in the API's words, with tus' status and headers."""

    @functools.wraps(call)
    def wrapped(request: HttpRequest, **keys: Any) -> Any:
        try:
            return call(request, **keys)
        except tus.Wrong as wrong:
            return tus.complaint(wrong.status, str(wrong), **wrong.headers)
        except Refused as exc:
            return tus.complaint(409, str(exc))
        except RedisError:
            return tus.complaint(503, AWAY, Retry_After=2)

    return wrapped


# ── uploads ──


@router.get("/uploads", response=UploadPage, summary="Uploads and fetches to pools that I manage, newest first")
def list_uploads(request: HttpRequest, filters: Query[UploadFilter]) -> UploadPage:
    found = access.visible(person(request))
    if filters.pool_id:
        found = found.filter(place__pool=filters.pool_id)
    if not filters.ended:
        found = found.filter(ended_at=None)
    start = (filters.page - 1) * filters.size
    return UploadPage(total=found.count(), items=[UploadOut.of(incoming) for incoming in found.order_by("-created_at", "pk")[start : start + filters.size]])


@router.post("/pools/{pool_id}/uploads", response={201: None}, summary="Begin an upload (tus creation)")
@_speaks_tus
def begin_upload(
    request: HttpRequest,
    pool_id: Id,
    version: Version,
    length: Annotated[str, Header("", alias="Upload-Length", description="of the file, in bytes")],
    metadata: Annotated[str, Header("", alias="Upload-Metadata", description="name of the volume, filename, checksum; each base64")],
) -> HttpResponse:
    """Needs the role manager on the host. The header Location is the upload's address, WV-Job its job. No body. 409 says why it can't be taken now."""
    user = person(request)
    pool = storage_access.get(user, pool_id, Role.MANAGER)
    return answering.begin(request, user, pool, lambda made: reverse("api-1:upload", args=[made.pk]))


@router.get("/uploads/{upload_id}", response=UploadOut, url_name="upload", summary="How an upload or fetch stands")
def read_upload(request: HttpRequest, upload_id: UUID) -> UploadOut:
    return UploadOut.of(access.get(person(request), upload_id))


@router.api_operation(["HEAD"], "/uploads/{upload_id}", response={200: None}, summary="From where an upload goes on (tus)")
@_speaks_tus
def ask_upload(request: HttpRequest, upload_id: UUID, version: Version) -> HttpResponse:
    """The header Upload-Offset, after whatever broke. 410: it has ended; GET says how."""
    user = person(request)
    return answering.go_on(request, user, access.get(user, upload_id))


@router.patch("/uploads/{upload_id}", response={204: None}, summary="The next bytes of an upload (tus)")
@_speaks_tus
def bring_chunk(
    request: HttpRequest,
    upload_id: UUID,
    version: Version,
    begins: Annotated[str, Header("", alias="Upload-Offset", description="at which the chunk begins")],
    checksum: Annotated[str, Header("", alias="Upload-Checksum", description='"sha256 <base64>" of the chunk; may be left out')],
) -> HttpResponse:
    """At most 8 MiB as application/offset+octet-stream. 204: the header Upload-Offset is where the next one begins. 409, 423, 503: ask (HEAD) and go on."""
    user = person(request)
    return answering.go_on(request, user, access.get(user, upload_id))


@router.delete("/uploads/{upload_id}", response={204: None}, summary="Cancel an upload or fetch")
@_speaks_tus
def cancel_upload(request: HttpRequest, upload_id: UUID, version: Version) -> HttpResponse:
    """Nothing of it is left. 410: it has ended."""
    user = person(request)
    return answering.go_on(request, user, access.get(user, upload_id))


# ── fetches ──


@router.post("/pools/{pool_id}/fetch", response={202: JobOut}, summary="Fetch a file from another web server into a new volume")
def fetch(request: HttpRequest, response: HttpResponse, pool_id: Id, body: FetchIn) -> tuple[int, JobOut]:
    """Needs the role manager on the host. The job's progress is that of the fetch; it stands among the uploads too."""
    user = person(request)
    pool = storage_access.get(user, pool_id, Role.MANAGER)
    form = FetchForm({"url": body.url, "name": body.name, "digest": body.checksum}, pool=pool)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise HttpError(422, f"{'checksum' if field == 'digest' else field}: {errors[0]}")
    wanted = form.cleaned_data
    made = actions.fetch(user, pool, wanted["name"], wanted["url"], wanted["digest"])
    assert made.job
    return accepted(response, made.job)


# ── downloads ──


@router.get("/pools/{pool_id}/volumes/{name}/content", response={200: None, 206: None}, summary="What is in a volume, or a part of it")
def download(
    request: HttpRequest,
    pool_id: Id,
    name: str,
    part: Annotated[str, Header("", alias="Range", description='"bytes=0-1023"')],
    condition: Annotated[str, Header("", alias="If-Range", description="the ETag of an earlier part: another state of the file comes whole")],
) -> HttpResponseBase:
    """Needs the role manager on the host. Streamed, as the volume is stored; one that a machine writes to meanwhile is no whole image."""
    user = person(request)
    volume = storage_access.volume(user, pool_id, name, Role.MANAGER)
    span = ranges.read(part)
    try:
        token = actions.download(user, volume, span, condition[:100] if span != (None, None) else "")
    except (RedisError, OperationalError) as exc:
        raise HttpError(503, AWAY) from exc
    answer: HttpResponseBase = async_to_sync(outlet.respond)(token, name, _in_json)
    return answer


def _in_json(status: int, words: str, headers: dict[str, str]) -> HttpResponse:
    return JsonResponse({"error": words}, status=status, headers=headers)
