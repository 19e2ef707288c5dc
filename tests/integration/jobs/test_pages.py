"""The drawer, the list and the page of a job: what they show, to whom, and for how many questions to the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Grant, User
from accounts.roles import Role, Scope
from hosts.models import Host, HostTest
from jobs import kinds
from jobs.models import Job, JobLine, State
from jobs.shown import Shown
from machines.models import Machine

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
Make = Callable[..., Job]


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create(username="root", is_superuser=True)


@pytest.fixture
def browser(root: User) -> Client:
    client = Client()
    client.force_login(root, backend=BACKEND)
    return client


@pytest.fixture
def make(root: User) -> Make:
    host = Host.objects.create(name="kvm-1", address="kvm-1.example", state="online")

    def make(
        state: str = State.DONE, *, machine: str = "web", kind: str = "machines.start", ago: float = 60, took: float = 2, by: User | None = root, **fields: Any
    ) -> Job:
        """`ago`, `took`: seconds."""
        about, _ = Machine.objects.get_or_create(name=machine, host=host, defaults={"uuid": f"{Machine.objects.count():036d}"})
        begun = timezone.now() - timedelta(seconds=ago)
        times: dict[str, Any] = {"created_at": begun} | ({} if state == State.QUEUED else {"started_at": begun})
        if state not in (State.QUEUED, State.RUNNING):
            times["finished_at"] = begun + timedelta(seconds=took)
        return Job.objects.create(
            kind=kind, subject_type="machine", subject_id=about.pk, subject_name=about.name, host_id=host.pk, host_name=host.name, state=state,
            asked_by=by, asked_by_name=by.username if by else "", changing=False, **{"claim": "w" if state == State.RUNNING else "", **times, **fields},
        )  # fmt: skip

    return make


def body(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return " ".join(answer.content.decode().split())


# ── what a job says ──


@pytest.mark.parametrize(
    ("state", "fields", "words", "why_not"),
    [
        (State.QUEUED, {}, "Queued", ""),
        (State.RUNNING, {"phase": "Starting", "attempts": 1}, "Starting", "It can't be stopped in the middle; it takes seconds."),
        (State.RUNNING, {"kind": "machines.save", "attempts": 1}, "Running", ""),
        (State.RUNNING, {"claim": "", "wait_until": timezone.now(), "phase": "Waiting for the guest"}, "Waiting for the guest", ""),
        (State.RUNNING, {"claim": "", "phase": "Waiting for the host: gone"}, "Waiting for the host: gone", ""),
        (State.RUNNING, {"kind": "machines.save", "cancel_asked_by": "bob"}, "Stopping", "bob has asked it to stop."),
        (State.DONE, {}, "Done in 2 s", "It has ended."),
        (State.FAILED, {"error": "No room."}, "No room.", "It has ended."),
        (State.CANCELLED, {"cancel_asked_by": "bob"}, "Cancelled by bob", "It has ended."),
        (State.INTERRUPTED, {"error": "Its worker died."}, "Its worker died.", "It has ended."),
    ],
)
def test_in_words(make: Make, root: User, state: State, fields: dict[str, Any], words: str, why_not: str) -> None:
    shown = Shown(make(state, **fields), root)
    assert shown.words == words
    assert shown.why_not_cancel == why_not
    assert shown.can_cancel is (why_not == "")


def test_the_time_left_is_told_only_where_it_can_be(make: Make, root: User) -> None:
    assert Shown(make(State.RUNNING, ago=60, progress=50), root).left == "about 1 min left"
    for progress, ago in ((None, 60), (0, 60), (1, 60), (50, 1), (100, 60)):
        assert Shown(make(State.RUNNING, ago=ago, progress=progress), root).left == "", (progress, ago)
    assert Shown(make(State.DONE, progress=50), root).left == ""


# ── the drawer ──


def test_the_drawer_shows_what_runs_and_then_what_ended(browser: Client, make: Make) -> None:
    make(State.FAILED, machine="broken", error="No <room>.", ago=100)
    make(State.FAILED, machine="old", error="x", ago=7200)
    make(State.QUEUED, machine="next")
    running = make(State.RUNNING, machine="big <b>", kind="machines.save", progress=62.4, ago=62)
    text = body(browser.get("/jobs/drawer/"))
    assert text.startswith('<wv-jobs class="wv-jobs" id="jobs"')
    assert "2 running" in text
    assert "1 failed in the last hour" in text
    assert 'value="62"' in text
    assert "big &lt;b&gt;" in text
    assert "No &lt;room&gt;." in text
    assert f'formaction="/jobs/{running.pk}/cancel/"' in text
    places = [text.index(name) for name in ("Save state <bdi>big", "Start <bdi>next", "Start <bdi>old", "Start <bdi>broken")]
    assert places[0] < places[1] < min(places[2:])
    assert "style=" not in text


def test_the_drawer_costs_few_questions_however_much_goes_on(browser: Client, make: Make, django_assert_max_num_queries: Any) -> None:
    for n in range(80):
        make(State.QUEUED if n % 2 else State.DONE, machine=f"m{n}")
    with django_assert_max_num_queries(6):  # two of them for the session
        text = body(browser.get("/jobs/drawer/"))
    assert "40 running" in text
    assert text.count("<li class=") == 30


def test_an_empty_drawer_says_so(browser: Client) -> None:
    text = body(browser.get("/jobs/drawer/"))
    assert "Nothing is running" in text
    assert "Nobody has asked for anything yet." in text


# ── the list ──


def names(answer: Any) -> list[str]:
    return [shown.job.subject_name for shown in answer.context["page"].rows]


def test_the_list_is_filtered_by_its_address(browser: Client, make: Make) -> None:
    bob = User.objects.create(username="bob")
    make(State.FAILED, machine="a", by=bob)
    make(State.INTERRUPTED, machine="b", kind="machines.reset", batch="xyz")
    make(State.DONE, machine="c", by=None)
    make(State.QUEUED, machine="d")
    for question, found in (
        ("", "dcba"),
        ("state=failed", "ba"),
        ("state=active", "d"),
        ("state=nonsense", "dcba"),
        ("kind=machines.reset", "b"),
        ("kind=no.such", "dcba"),
        ("who=BO", "a"),
        ("mine=1", "db"),
        ("about=c", "c"),
        ("about=kvm", "dcba"),
        ("batch=xyz", "b"),
        ("state=failed&who=bob", "a"),
        ("state=done&mine=1", ""),
    ):
        assert "".join(names(browser.get(f"/jobs/?{question}"))) == found, question
    groups = {str(words): n for _url, words, n, _chosen in browser.get("/jobs/?state=failed&who=bob").context["page"].groups}
    assert groups == {"All": 1, "Running": 0, "Failed": 1, "Done": 0, "Cancelled": 0}


def test_pages_of_the_list(browser: Client, make: Make, django_assert_max_num_queries: Any) -> None:
    for n in range(120):
        make(machine=f"m{n}")
    with django_assert_max_num_queries(8):
        first = browser.get("/jobs/")
    assert (len(names(first)), first.context["page"].next_url) == (50, "/jobs/?page=2")
    last = browser.get("/jobs/?page=99&who=root")
    assert (len(names(last)), last.context["page"].previous_url, last.context["page"].next_url) == (20, "/jobs/?who=root&page=2", "")
    piece = browser.get("/jobs/?page=2", headers={"WV-Fragment": "joblist"}).content.decode()
    assert piece.startswith('<wv-live id="joblist"')
    assert "<html" not in piece


# ── one job ──


def test_a_job_tells_its_whole_story(browser: Client, make: Make) -> None:
    job = make(
        State.FAILED, error="The host has no room.", detail="virErr <42>", retry_helps=True, params={"on": True, "revision": 3}, kind="machines.set_autostart"
    )
    make(batch="b1")
    JobLine.objects.create(job=job, text="Asked <the> host")
    text = body(browser.get(f"/jobs/{job.pk}/"))
    for words in (
        "The host has no room.",
        "virErr &lt;42&gt;",
        "Trying again may help",
        "Asked &lt;the&gt; host",
        "<dt>On</dt><dd><bdi>yes</bdi></dd>",
        f'topics="job:{job.pk}"',
        "Failed",
    ):
        assert words in text, words
    assert "Revision" not in text
    assert browser.get(f"/jobs/{job.pk}/", headers={"WV-Fragment": "job"}).content.decode().startswith('<wv-live id="job"')
    assert "Asked <the> host" in browser.get(f"/jobs/{job.pk}/log/").content.decode()
    assert browser.get(f"/jobs/{job.pk}/log/").headers["Content-Type"].startswith("text/plain")


def test_jobs_asked_for_together_know_of_one_another(browser: Client, make: Make) -> None:
    jobs = [make(machine=f"m{n}", batch="b1") for n in range(3)]
    assert "2 other jobs" in body(browser.get(f"/jobs/{jobs[0].pk}/"))


def test_the_test_of_a_connection_shows_its_steps(browser: Client, make: Make) -> None:
    job = make(State.FAILED, kind="hosts.test", error="Login: refused")
    Job.objects.filter(pk=job.pk).update(subject_type="host", subject_id=job.host_id)
    steps = [
        {"name": "name", "ok": True, "words": "192.0.2.7", "fix": "", "detail": ""},
        {"name": "login", "ok": False, "words": "refused", "fix": "Add the <key>.", "detail": "denied"},
    ]
    HostTest.objects.create(host_id=job.host_id, job_id=job.pk, steps=steps, passed=False)
    text = body(browser.get(f"/jobs/{job.pk}/"))
    for words in ("192.0.2.7", "refused", "Add the &lt;key&gt;.", "denied"):
        assert words in text


def test_a_very_long_log_is_cut_on_the_page_and_whole_as_text(browser: Client, make: Make) -> None:
    job = make()
    JobLine.objects.bulk_create([JobLine(job=job, text=f"line {n}") for n in range(2_100)])
    page = browser.get(f"/jobs/{job.pk}/")
    assert (len(page.context["lines"]), page.context["lines"][-1].text) == (2_000, "line 2099")
    assert "Only the newest lines" in body(page)
    assert "line 0\n" in browser.get(f"/jobs/{job.pk}/log/").content.decode()


def test_a_job_of_a_kind_that_is_gone_can_be_shown(browser: Client, make: Make) -> None:
    job = make(kind="old.thing")
    assert "old.thing" in body(browser.get(f"/jobs/{job.pk}/"))
    assert "old.thing" in body(browser.get("/jobs/"))


# ── cancelling ──


def test_cancel(browser: Client, make: Make) -> None:
    job = make(State.QUEUED)
    answer = browser.post(f"/jobs/{job.pk}/cancel/", headers={"WV-Async": "1"})
    assert (answer.status_code, answer.headers["WV-Job"]) == (204, str(job.pk))
    assert Job.objects.get().state == State.CANCELLED
    again = browser.post(f"/jobs/{job.pk}/cancel/", headers={"WV-Async": "1"})
    assert (again.status_code, again.content.decode()) == (409, "<p>It has ended.</p>")
    assert browser.post(f"/jobs/{job.pk}/cancel/").headers["Location"] == f"/jobs/{job.pk}/"
    assert list(AuditEntry.objects.order_by("id").values_list("action", "result", "actor")) == [
        ("machines.start", "cancelled", "root"),
        ("jobs.cancel", "done", "root"),
    ]


def test_who_may_only_look_sees_no_button(make: Make) -> None:
    job = make(State.QUEUED)
    ann = User.objects.create(username="ann")
    Grant.objects.create(user=ann, role=Role.CONSOLE, scope=Scope.MACHINE, object_id=job.subject_id)
    client = Client()
    client.force_login(ann, backend=BACKEND)
    for path in ("/jobs/drawer/", "/jobs/"):
        assert f"/jobs/{job.pk}/cancel/" not in body(client.get(path))
    page = body(client.get(f"/jobs/{job.pk}/"))
    assert "This needs the role operator on web." in page
    assert 'aria-disabled="true"' in page


def test_every_kind_has_an_icon_that_the_sprite_has() -> None:
    from django.conf import settings

    sprite = (settings.BASE_DIR / "static" / "icons.svg").read_text()
    missing = [kind.name for kind in kinds.every() if f'id="i-{kind.icon}"' not in sprite and not kind.name.startswith("tests.")]
    assert missing == []
