"""Looks for moves that ended and left something to be done: one of their hosts was away then."""

from __future__ import annotations

import logging

from hosts.models import State as HostState
from jobs import submit as jobs
from jobs.models import ACTIVE, Job
from jobs.submit import Refused, Subject
from machines.migration.models import Move
from machines.models import HALF, Machine

logger = logging.getLogger(__name__)

CLEAN_UP = "machines.migration.clean_up"
_AT_ONCE = 50


def tidy() -> None:
    both_there = {"source__state": HostState.ONLINE, "target__state": HostState.ONLINE}
    left = Move.objects.filter(done_at=None, **both_there).exclude(job__state__in=ACTIVE).select_related("job").order_by("pk")
    for move in left[:_AT_ONCE]:
        job = move.job
        if move.broken_at and Machine.objects.filter(uuid=move.uuid, gone_at=None, reason__in=HALF).exists():
            continue  # only sending the rest helps (mending.py), and a person says when
        if Job.objects.filter(kind=CLEAN_UP, state__in=ACTIVE, subject_type=job.subject_type, subject_id=job.subject_id).exists():
            continue
        subject = Subject(job.subject_type, job.subject_id, job.subject_name, job.host_id, job.host_name)
        try:
            jobs.submit(CLEAN_UP, subject, asked_by=None, params={**job.params, "move": move.pk})
        except Refused as exc:
            logger.info("what %s left is looked at later: %s", move, exc)
