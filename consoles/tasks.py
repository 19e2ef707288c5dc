"""Celery's side: each task delegates in one line."""

from __future__ import annotations

from celery import shared_task

from consoles import looking


@shared_task(name="consoles.viewer")
def viewer(machine_id: int, user_id: int) -> None:
    looking.look(machine_id, user_id)


@shared_task(name="consoles.take_back")
def take_back(machine_id: int) -> None:
    looking.take_back(machine_id)
