"""The Celery application: three queues, early acknowledgement (the jobs' own sweep repairs what is lost)."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webvirt.settings")

app = Celery("webvirt")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_default_queue="quick",
    task_ignore_result=True,
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # Longer than the longest job: Redis would hand the message out a second time.
        "visibility_timeout": 7 * 24 * 3600,
        "socket_keepalive": True,
        "health_check_interval": 15,
        # A web request does not wait for a broker that is away or mute: the row is saved, the sweep enqueues it later.
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "max_retries": 1,
        "interval_start": 0,
        "interval_max": 0.1,
    },
    beat_schedule={
        "jobs.sweep": {"task": "jobs.sweep", "schedule": 5.0, "options": {"expires": 10}},
        "jobs.tidy": {"task": "jobs.tidy", "schedule": 3600.0, "options": {"expires": 1800}},
        "machines.tidy": {"task": "machines.tidy", "schedule": 900.0, "options": {"expires": 600}},
        "machines.creation.tidy": {"task": "machines.creation.tidy", "schedule": 60.0, "options": {"expires": 50}},
        "hosts.storage.transfers.tidy": {"task": "hosts.storage.transfers.tidy", "schedule": 60.0, "options": {"expires": 50}},
        "machines.migration.tidy": {"task": "machines.migration.tidy", "schedule": 60.0, "options": {"expires": 50}},
        "accounts.tidy": {"task": "accounts.tidy", "schedule": 3600.0, "options": {"expires": 1800}},
    },
)
app.autodiscover_tasks(["jobs", "hosts", "hosts.storage.transfers", "machines", "machines.creation", "machines.migration", "consoles", "accounts"])
