"""Jobs by the API: read, their log, cancel."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Router, Schema
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from jobs import access
from jobs.models import Job, State
from jobs.shown import Shown, ask_again, stop
from jobs.submit import Refused

router = Router()

Id = Annotated[int, Field(gt=0, lt=2**63)]


class JobOut(Schema):
    id: int
    url: str
    kind: str
    title: str
    subject_type: str
    subject_id: int
    subject_name: str
    host_id: int
    state: str
    progress: float | None
    phase: str
    result: Any
    error: str
    detail: str
    retry_helps: bool
    asked_by: str
    cancel_asked_by: str
    batch: str
    parent_id: int | None
    figures: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @staticmethod
    def of(job: Job) -> JobOut:
        plain = {name: getattr(job, name) for name in _PLAIN}
        return JobOut(id=job.pk, url=url_of(job), asked_by=job.asked_by_name, **plain)


_PLAIN = (
    "kind", "title", "subject_type", "subject_id", "subject_name", "host_id", "state", "progress", "phase", "result", "error", "detail",
    "retry_helps", "cancel_asked_by", "batch", "parent_id", "figures", "created_at", "started_at", "finished_at",
)  # fmt: skip


class JobPage(Schema):
    total: int
    items: list[JobOut]


class Line(Schema):
    at: datetime
    text: str


class JobFilter(Schema):
    state: State | None = Field(None, description="only jobs in this state")
    kind: str = Field("", max_length=64, description='only of this kind, as "machines.start"')
    subject_type: str = Field("", max_length=16, description='"machine" or "host", with subject_id')
    subject_id: Id | None = None
    batch: str = Field("", max_length=32, description="only jobs of this bulk action")
    parent_id: Id | None = Field(None, description="only the parts of this job")
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(50, ge=1, le=500)


@router.get("", response=JobPage, summary="Jobs that I may see, newest first")
def list_jobs(request: HttpRequest, filters: Query[JobFilter]) -> JobPage:
    asked = {name: getattr(filters, name) for name in ("state", "kind", "subject_type", "subject_id", "batch", "parent_id")}
    found = access.visible(person(request)).filter(**{name: value for name, value in asked.items() if value})
    start = (filters.page - 1) * filters.size
    return JobPage(total=found.count(), items=[JobOut.of(job) for job in found.order_by("-pk")[start : start + filters.size]])


@router.get("/{job_id}", response=JobOut, summary="A job")
def read_job(request: HttpRequest, job_id: Id) -> JobOut:
    return JobOut.of(access.get(person(request), job_id))


@router.get("/{job_id}/log", response=list[Line], summary="What a job said")
def read_log(request: HttpRequest, job_id: Id) -> list[Line]:
    job = access.get(person(request), job_id)
    return [Line(at=line.at, text=line.text) for line in job.lines.all()]


@router.post("/{job_id}/cancel", response={202: JobOut}, summary="Ask a job to stop")
def cancel_job(request: HttpRequest, job_id: Id) -> tuple[int, JobOut]:
    """Needs the role operator on what the job is about. 409 when there is nothing to stop."""
    user = person(request)
    job = access.get(user, job_id, Role.OPERATOR)
    refusal = stop(Shown(job, user))
    if refusal:
        raise Refused(refusal)
    job.refresh_from_db()
    return 202, JobOut.of(job)


@router.post("/{job_id}/again", response={202: JobOut}, summary="Ask for the same again")
def ask_for_again(request: HttpRequest, response: HttpResponse, job_id: Id) -> tuple[int, JobOut]:
    """For a job that ended and not well, with the rights that its kind needs. 409 where that is not offered or not possible now."""
    user = person(request)
    return accepted(response, ask_again(user, access.get(user, job_id, Role.OPERATOR)))


def url_of(job: Job) -> str:
    return reverse("api-1:read_job", args=[job.pk])


def accepted(response: HttpResponse, job: Job) -> tuple[int, JobOut]:
    """202 with the job, and its address in Location."""
    response.headers["Location"] = url_of(job)
    return 202, JobOut.of(job)
