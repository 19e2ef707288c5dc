"""Whether one host's libvirt reaches another's: tried by a worker, kept for each pair, read by the checks before a move."""

from __future__ import annotations

from django.utils import timezone

from hosts.connections import connection_to
from hosts.models import Host
from jobs.registry import Result
from jobs.work import Work
from live import facts
from machines.migration import ways
from machines.models import Machine
from machines.moves.models import Reach
from virt import migration
from virt.errors import HostUnreachable, VirtError


def run(work: Work) -> Result:
    """Try the targets one after another; that one is not reached is an answer, no failure."""
    source = Host.objects.get(pk=work.subject_id)
    targets = Host.objects.filter(pk__in=work.params["targets"]).order_by("name")
    reached = [target.name for target in targets if _try(work, source, target)]
    return {"reaches": reached}


def _try(work: Work, source: Host, target: Host) -> bool:
    work.phase(f"Trying whether {source.name} reaches {target.name}")
    # libvirt tries by a machine, whichever: nothing is moved.
    uuid = Machine.objects.filter(host=source, gone_at=None).order_by("pk").values_list("uuid", flat=True).first()
    if uuid is None:
        work.log(f"{source.name} has no machine to try it with.")
        return False
    connection = connection_to(source)
    try:
        migration.probe(connection, uuid, ways.libvirt_uri(target))
    except VirtError as exc:
        if isinstance(exc, HostUnreachable) and not connection.is_alive():
            raise  # it was the source itself that was lost
        _keep(source, target, works=False, words=f"{exc} {exc.detail}".strip()[:1000])
        work.log(f"{source.name} does not reach {target.name}: {exc}")
        return False
    _keep(source, target, works=True)
    work.log(f"{source.name} reaches {target.name}.")
    return True


def _keep(source: Host, target: Host, *, works: bool, words: str = "") -> None:
    Reach.objects.update_or_create(source=source, target=target, defaults={"works": works, "words": words, "tried_at": timezone.now()})
    facts.publish([f"host:{source.pk}"], "reach", host_id=source.pk)
