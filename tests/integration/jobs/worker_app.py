"""The product's worker, which also knows the pretended operations; sooner sure that somebody died."""

from __future__ import annotations

from datetime import timedelta

from celery.signals import worker_process_init

from webvirt.celery import app as app


@worker_process_init.connect(weak=False)
def _prepare(**kwargs: object) -> None:
    from jobs import run
    from tests.integration.jobs.fakes.kinds import declare

    declare()
    run.DEAD_AFTER = timedelta(seconds=2)
