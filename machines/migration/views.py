"""The address at which other hosts reach a host."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.models import User
from hosts import access
from live import answers
from machines.migration import ways
from machines.migration.forms import AddressForm


@require_http_methods(["GET", "POST"])
def address(request: HttpRequest, pk: int) -> HttpResponse:
    """Administrators alone: the source's root calls what stands here."""
    user = cast(User, request.user)
    host = access.get(user, pk)
    if not access.may_administer(user):
        raise PermissionDenied(_("Only administrators say how hosts reach each other."))
    way = ways.of(host)
    form = AddressForm(request.POST or None, initial={"libvirt": way.libvirt_uri, "where": way.data_uri})
    if request.method == "POST" and form.is_valid():
        ways.set_way(host, libvirt=form.cleaned_data["libvirt"], data=form.cleaned_data["where"])
        audit.record("machines.migration.address", host.name, actor=user, result="done", detail=form.cleaned_data)
        return answers.done(request, host.get_absolute_url(), words=_("Other hosts reach it there from now on."))
    context = {"host": host, "form": form, "usual": ways.usual(host)}
    status = 422 if form.errors else 200
    if form.errors and answers.is_async(request):
        return render(request, "migration/_address.html", context, status=status)
    return answers.page(request, "migration/address.html", context, {"dialog": "migration/_address.html"}, status=status)
