"""Celery's side: each task delegates in one line."""

from __future__ import annotations

from celery import shared_task

from jobs import beats
from jobs import run as runner


@shared_task(name="jobs.run")
def run(job_id: int) -> None:
    runner.run(job_id)


@shared_task(name="jobs.enqueue_batch", time_limit=120)
def enqueue_batch(batch: str) -> None:
    runner.enqueue_batch(batch)


@shared_task(name="jobs.settle")
def settle(job_id: int) -> None:
    runner.settle(job_id)


@shared_task(name="jobs.sweep", time_limit=60)
def sweep() -> None:
    beats.beat()
    runner.sweep()


@shared_task(name="jobs.tidy", time_limit=300)
def tidy() -> None:
    runner.tidy()
