"""What a worker does with a host: the connection test."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit
from hosts import alarm, credentials, duplicates, endpoints, log, steps
from hosts.models import Host, HostTest, State
from jobs.registry import Fate, Result, operation
from jobs.work import Work
from live import facts
from virt import probe
from virt.errors import OperationFailed
from virt.probe import Step

_KEPT_TESTS = 10


def _nothing_to_settle(work: Work) -> Fate:
    """A test changes nothing on the host: one whose worker died is simply not done."""
    return Fate.NOT_DONE


@operation(settle=_nothing_to_settle)
def test(work: Work) -> Result:
    """Walk the way to the host step by step, each shown when it is done; a host that waited for it is then followed.

    Fails when a step is broken. What a person has to decide (a host key, the same host twice) is asked for, not failed.
    """
    host = _the_host_as_it_was_asked_for(work)
    record = HostTest.objects.create(host=host, job_id=work.job.pk)
    done: list[Step] = []
    asks: dict[str, str] = {}
    for step in _walk(host):
        done.append(step)
        if _asks(host, step):
            asks = {step.name: "asks"}
        _show(record, done, asks, work)
    passed = all(step.ok for step in done)
    _finish(record, passed)
    if passed:
        _follow(host, work)
    elif not asks:
        raise OperationFailed(f"{steps.TITLES[done[-1].name]}: {done[-1].words}", done[-1].detail)
    return {"passed": passed, "asks": next(iter(asks), "")}


# ── the steps ──


def _the_host_as_it_was_asked_for(work: Work) -> Host:
    host = Host.objects.filter(pk=work.subject_id).first()
    if host is None:
        raise OperationFailed("The host was removed meanwhile.")
    if host.revision != work.params.get("revision", host.revision):
        raise OperationFailed(f"{host.name} was changed after this test was asked for; the newer test counts.")
    return host


def _walk(host: Host) -> Iterator[Step]:
    """virt's steps, the key that the host shows noted on the way; none after the first that is not well."""
    for step in _steps(host):
        _note_key(host, step)
        yield step
        if not step.ok:
            return


def _steps(host: Host) -> Iterator[Step]:
    """The way to libvirt, whether it is another host's double, and the way to its displays where that is another one."""
    given = credentials.credentials_of(host)
    for step in probe.test(endpoints.endpoint_of(host), given):
        yield step
        if step.info and "identity" in steps.EXPECTED[host.kind]:
            yield _identity(host, step.info.host_uuid)
    ssh = endpoints.ssh_endpoint_of(host)
    if ssh and not endpoints.has_host_key(host.kind):
        yield from probe.test_forwarding(ssh, given)


def _note_key(host: Host, step: Step) -> None:
    """One that differs from the pinned key stops a host that is followed by it; others, and the first one, wait to be confirmed."""
    stops = endpoints.has_host_key(host.kind)
    if step.host_key is None or (step.ok and stops):
        return
    if host.host_key and stops:
        alarm.raise_alarm(host, step.host_key.line)
    else:
        Host.objects.filter(pk=host.pk, revision=host.revision).update(host_key_offered="" if step.ok else step.host_key.line)


def _identity(host: Host, host_uuid: str) -> Step:
    others = duplicates.others(host, host_uuid)
    if not others:
        return Step("identity", True, "it is not among the hosts yet" if host.state == State.NEW else "no other host is the same")
    fix = "Remove one of the two, or enable this one all the same if the two only share a serial number."
    return Step("identity", False, duplicates.sentence(others), fix)


def _asks(host: Host, step: Step) -> bool:
    """Whether a person has to decide before it can go on: nothing is broken."""
    return not step.ok and (step.name == "identity" or (step.host_key is not None and not host.host_key))


def _show(record: HostTest, done: list[Step], asks: dict[str, str], work: Work) -> None:
    record.steps = steps.records(done, asks)
    record.save(update_fields=["steps"])
    work.log(f"{steps.TITLES[done[-1].name]}: {done[-1].words}")
    facts.publish([f"host:{record.host_id}"], "test", host_id=record.host_id)


def _finish(record: HostTest, passed: bool) -> None:
    record.passed, record.finished_at = passed, timezone.now()
    record.save(update_fields=["passed", "finished_at"])
    kept = HostTest.objects.filter(host_id=record.host_id).order_by("-id").values_list("pk", flat=True)[:_KEPT_TESTS]
    HostTest.objects.filter(host_id=record.host_id).exclude(pk__in=list(kept)).delete()


def _follow(host: Host, work: Work) -> None:
    """All is well: a new host is followed from now on, one that did not answer is tried again at once."""
    as_tested = Host.objects.filter(pk=host.pk, revision=host.revision)
    connecting = {"state": State.CONNECTING, "state_since": timezone.now(), "error": "", "error_detail": "", "host_key_offered": ""}
    with transaction.atomic():
        if as_tested.filter(state=State.NEW).update(**connecting, enabled=True, revision=F("revision") + 1):
            log.write(host, "enabled", "Its connection test passed.", actor=work.job.asked_by_name)
            audit.record("hosts.enabled", host.name, actor=work.job.asked_by, detail={"job": work.job.pk})
        elif as_tested.filter(state=State.ALARM).update(**connecting, revision=F("revision") + 1):
            log.write(host, "key", "It shows the confirmed host key again.", actor=work.job.asked_by_name)
        elif not as_tested.filter(enabled=True).exclude(state=State.ONLINE).update(**connecting, revision=F("revision") + 1):
            return
        facts.publish(host.topics, "tested", host_id=host.pk)
