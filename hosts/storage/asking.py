"""Forms about pools and volumes, in a dialog or as a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobs.models import Job
from jobs.submit import Refused
from live import answers


def answer_form(request: HttpRequest, form: forms.Form, deed: str, context: dict[str, Any], url: str, ask: Callable[[], Job]) -> HttpResponse:
    try:
        job = ask()
    except Refused as exc:
        form.add_error(None, str(exc))
        return show_form(request, form, deed, context, status=409)
    return answers.done(request, url, job_id=job.pk)


def show_form(request: HttpRequest, form: forms.Form, deed: str, context: dict[str, Any], *, status: int = 0) -> HttpResponse:
    """The form in a dialog or as a page; sent by a script and refused, the form alone again."""
    status = status or (422 if form.is_bound else 200)
    context = {**context, "form": form, "piece": f"storage/_{deed}.html"}
    if form.is_bound and answers.is_async(request):
        return render(request, f"storage/_{deed}.html", context, status=status)
    return answers.page(request, "storage/form.html", context, {"dialog": f"storage/_{deed}.html"}, status=status)
