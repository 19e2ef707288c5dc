"""Uploads, fetches, downloads: their rights are those on the host. What tus wants of a request: test_transfers.py."""

from __future__ import annotations

from typing import Any

from accounts.roles import Role
from hosts.storage.models import Place
from hosts.storage.transfers.models import Incoming
from jobs.models import Job
from tests.security.apps.storage import _pool
from tests.security.rows import SIGNED_IN, Kind, Row, does, reads
from tests.security.world import Thing


def _upload(thing: Thing) -> dict[str, Any]:
    place, _ = Place.objects.get_or_create(pool_id=_pool(thing)["pk"], name="coming.iso")
    incoming = Incoming.objects.filter(place=place).first()
    if incoming is None:
        subject = place.subject
        job = Job.objects.create(
            kind="hosts.storage.transfers.upload",
            state="done",  # an active one would forbid that its host is removed
            subject_type=subject.type,
            subject_id=subject.id,
            subject_name=subject.name,
            host_id=subject.host_id,
            host_name=subject.host_name,
        )
        incoming = Incoming.objects.create(place=place, job=job, size_bytes=2**20, file_name="coming.iso")
    return {"pk": incoming.pk, "upload_id": incoming.pk}


KINDS = {"upload": Kind("host", _upload)}

PAGES: dict[str, Row] = {
    "transfers:everywhere": reads(SIGNED_IN),
    "transfers:upload": Row({"GET": Role.MANAGER, "PATCH": Role.MANAGER, "DELETE": Role.MANAGER}, "upload", changes=False),
    "transfers:uploads": does(Role.MANAGER, "pool", asks=True, changes=False),
    "transfers:fetch": does(Role.MANAGER, "pool", {"url": "https://mirror.example/new.iso"}, asks=True),
    "transfers:download": reads(Role.MANAGER, "volume"),
}

_UPLOAD = "/storage/uploads/{upload_id}"

# Those of tus lack its headers here: refused without a change once the rights are found.
CALLS: dict[str, Row] = {
    "GET /storage/uploads": reads(SIGNED_IN),
    "POST /storage/pools/{pool_id}/uploads": does(Role.MANAGER, "pool", changes=False),
    f"GET {_UPLOAD}": reads(Role.MANAGER, "upload"),
    f"HEAD {_UPLOAD}": does(Role.MANAGER, "upload", changes=False, method="HEAD"),
    f"PATCH {_UPLOAD}": does(Role.MANAGER, "upload", changes=False, method="PATCH"),
    f"DELETE {_UPLOAD}": does(Role.MANAGER, "upload", changes=False, method="DELETE"),
    "POST /storage/pools/{pool_id}/fetch": does(Role.MANAGER, "pool", {"url": "https://mirror.example/new.iso"}),
    "GET /storage/pools/{pool_id}/volumes/{name}/content": reads(Role.MANAGER, "volume"),
}
