"""The form of a host: fields that make an address, never an address typed as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts import secrets as sealing
from hosts import names, pem
from hosts.actions import SECRETS_OF, Draft, Refused
from hosts.endpoints import CHOOSE_CONSOLES, Consoles
from hosts.models import ConsoleWay, Host, Kind
from virt.errors import Invalid
from virt.uri import DEFAULT_PORTS, Endpoint

_CONSOLES = ("console_way", "console_address", "console_port", "console_login", "key", "private_key")
# Which fields each kind has besides name and notes; what a browser sends of the others is not looked at.
FIELDS_OF: dict[str, tuple[str, ...]] = {
    Kind.LOCAL: (),
    Kind.SESSION: (),
    Kind.SSH: ("address", "port", "login", "key", "private_key", "path", "session"),
    Kind.TLS: ("address", "port", "ca_cert", "client_cert", "client_key", *_CONSOLES),
    Kind.TCP: ("address", "port", "sasl_user", "sasl_password", *_CONSOLES),
    Kind.SOCKET: ("path", "session"),
    Kind.TEST: (),
}

# Icon, title and a line for each card of the choice, in the order shown.
CARDS = (
    (Kind.SSH, "key", _lazy("SSH"), _lazy("Any host with libvirt")),
    (Kind.LOCAL, "server", _lazy("This machine"), _lazy("The system's libvirt")),
    (Kind.TLS, "shield", _lazy("TLS"), _lazy("With certificates")),
    (Kind.TCP, "lock", _lazy("TCP with SASL"), _lazy("User and password")),
    (Kind.SESSION, "user", _lazy("User session"), _lazy("No rights needed")),
    (Kind.SOCKET, "plug", _lazy("Unix socket"), _lazy("A path on this machine")),
    (Kind.TEST, "template", _lazy("Test driver"), _lazy("Invented machines")),
)

# Those that are numbers or marks; all others are text.
_EMPTY: dict[str, Any] = {"port": None, "console_port": None, "session": False}
_ONE_LINE = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
_PEM_ROWS = {"rows": 4, "class": "wv-mono", "spellcheck": "false", "autocomplete": "off"}
_LONGEST_PEM = 65_536


class _Secret(forms.CharField):
    """A text that is never written back into a page."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, strip=False, max_length=_LONGEST_PEM, widget=_SecretArea(attrs=_PEM_ROWS), **kwargs)


class _SecretArea(forms.Textarea):
    def format_value(self, value: Any) -> str | None:
        return None


class HostForm(forms.Form):
    """For a new host (`host` None) or the edit of one; `draft()` is what the actions take."""

    kind = forms.ChoiceField(choices=Kind.choices, widget=forms.RadioSelect, label=_lazy("How it is reached"))
    name = forms.CharField(
        label=_lazy("Name"), help_text=_lazy("As it is called on these pages"), max_length=names.LONGEST, widget=forms.TextInput(attrs=_ONE_LINE)
    )
    address = forms.CharField(
        label=_lazy("Address"),
        help_text=_lazy("Name or IP address"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={**_ONE_LINE, "inputmode": "url"}),
    )
    port = forms.IntegerField(label=_lazy("Port"), required=False, widget=forms.TextInput(attrs={**_ONE_LINE, "inputmode": "numeric"}))
    login = forms.CharField(label=_lazy("User"), required=False, max_length=64, widget=forms.TextInput(attrs={**_ONE_LINE, "placeholder": "root"}))
    path = forms.CharField(label=_lazy("Path of libvirt's socket"), required=False, max_length=255, widget=forms.TextInput(attrs=_ONE_LINE))
    session = forms.BooleanField(label=_lazy("The user's own session daemon, not the system's"), required=False)
    key = forms.ChoiceField(
        label=_lazy("Key"),
        required=False,
        initial="portal",
        widget=forms.RadioSelect,
        choices=[("portal", _lazy("WebVirt's own key")), ("own", _lazy("Another private key"))],
    )
    private_key = _Secret(label=_lazy("Private key"), help_text=_lazy("OpenSSH or PEM, without a passphrase. It is stored encrypted and never shown again."))
    sasl_user = forms.CharField(label=_lazy("User"), required=False, max_length=256, widget=forms.TextInput(attrs=_ONE_LINE))
    sasl_password = forms.CharField(
        label=_lazy("Password"), required=False, strip=False, max_length=1024, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    ca_cert = _Secret(label=_lazy("Certificate of the authority"), help_text=_lazy("PEM. It signed the host's certificate; no other is trusted."))
    client_cert = _Secret(label=_lazy("Client certificate"), help_text=_lazy("PEM. By it the host recognises WebVirt."))
    client_key = _Secret(label=_lazy("Client key"), help_text=_lazy("PEM, without a passphrase. It is stored encrypted and never shown again."))
    console_way = forms.ChoiceField(
        label=_lazy("How displays are reached"), required=False, initial=ConsoleWay.DIRECT, choices=ConsoleWay.choices, widget=forms.RadioSelect
    )
    console_address = forms.CharField(
        label=_lazy("SSH server"), help_text=_lazy("The host's own address if empty"), required=False, max_length=255, widget=forms.TextInput(attrs=_ONE_LINE)
    )
    console_port = forms.IntegerField(
        label=_lazy("SSH port"), help_text=_lazy("22 if empty"), required=False, widget=forms.TextInput(attrs={**_ONE_LINE, "inputmode": "numeric"})
    )
    console_login = forms.CharField(label=_lazy("SSH user"), required=False, max_length=64, widget=forms.TextInput(attrs={**_ONE_LINE, "placeholder": "root"}))
    notes = forms.CharField(label=_lazy("Notes"), required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 3}))
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, host: Host | None = None, **kwargs: Any) -> None:
        self.host = host
        self.stored = set(host.secrets.values_list("name", flat=True)) if host else set()
        super().__init__(data, initial=_initial(host, self.stored), **kwargs)

    # ── what the template asks ──

    @property
    def cards(self) -> list[dict[str, Any]]:
        chosen = self["kind"].value()
        return [{"kind": kind, "icon": icon, "title": title, "text": text, "checked": kind == chosen} for kind, icon, title, text in CARDS]

    @property
    def goes_through_ssh(self) -> bool:
        return bool(self["console_way"].value() == ConsoleWay.SSH)

    @property
    def uses_own_key(self) -> bool:
        return bool(self["key"].value() == "own")

    # ── checking ──

    def clean(self) -> dict[str, Any]:
        kind = self.cleaned_data.get("kind")
        if not kind:
            return self.cleaned_data
        self._forget_other_kinds(kind)
        self._check_parts(kind)
        self._check_consoles(kind)
        getattr(self, f"_check_{kind}", lambda: None)()
        return self.cleaned_data

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        problem = names.problem(name)
        if problem:
            raise forms.ValidationError(problem)
        return name

    def draft(self) -> Draft:
        """After is_valid()."""
        given = self.cleaned_data
        return Draft(name=given["name"], endpoint=self._endpoint(), notes=given["notes"], consoles=self._consoles(), secrets=self._secrets())

    def refuse(self, refusal: Refused) -> None:
        """Put an action's refusal where it belongs."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))

    def now_is(self, host: Host) -> None:
        """Somebody was faster: say what the host is now, keep what was typed, and let the next try be about that."""
        now = {name: str(value or "") for name, value in _initial(host, set()).items() if name not in ("key", "revision")}
        other = ", ".join(f"{self.fields[name].label}: {value or '–'}" for name, value in now.items() if value != self.data.get(name, ""))
        words = _("Somebody else changed it meanwhile. What is different there: %(values)s. Save again to replace that.")
        self.add_error(None, words % {"values": other or "–"})
        self.data = dict(self.data.items()) | {"revision": str(host.revision)}

    def _forget_other_kinds(self, kind: str) -> None:
        needed = set(FIELDS_OF[kind])
        if kind in CHOOSE_CONSOLES and self.cleaned_data.get("console_way") != ConsoleWay.SSH:
            needed -= set(_CONSOLES) - {"console_way"}
        for name in {name for fields in FIELDS_OF.values() for name in fields} - needed:
            self.errors.pop(name, None)
            self.cleaned_data[name] = _EMPTY.get(name, "")

    def _check_parts(self, kind: str) -> None:
        """Each part alone, so that what is wrong stands under its field; the same rules as when it is opened."""
        given, remote = self.cleaned_data, kind in DEFAULT_PORTS
        if remote and not given.get("address") and "address" not in self.errors:
            self.add_error("address", _("Give its name or IP address."))
        if kind == Kind.SOCKET and not given.get("path") and "path" not in self.errors:
            self.add_error("path", _("Give the path of the socket."))
        given["address"] = _without_brackets(given.get("address") or "")
        self._try("address", kind="tcp", host=given["address"])
        self._try("port", kind="tcp", host="x", port=given.get("port"))
        self._try("login", kind="ssh", host="x", user=given.get("login") or "")
        if kind == Kind.SSH:
            self._try("path", kind="ssh", host="x", path=given.get("path") or "")
        else:
            self._try("path", kind="socket", path=given.get("path") or "")

    def _check_consoles(self, kind: str) -> None:
        given = self.cleaned_data
        given["console_address"] = _without_brackets(given.get("console_address") or "")
        self._try("console_address", kind="tcp", host=given["console_address"])
        self._try("console_port", kind="tcp", host="x", port=given.get("console_port"))
        self._try("console_login", kind="ssh", host="x", user=given.get("console_login") or "")
        if kind != Kind.SSH:
            self._check_ssh()

    def _try(self, field: str, **parts: Any) -> None:
        if field in self.errors or self.cleaned_data.get(field) in (None, ""):
            return
        try:
            Endpoint(**parts)
        except Invalid as exc:
            self.add_error(field, str(exc))

    def _check_ssh(self) -> None:
        if self.cleaned_data.get("key") == "own":
            self._check_pem("private_key", pem.problem_of_ssh_key, missing=_("Paste the private key."))

    def _check_tls(self) -> None:
        given = self.cleaned_data
        self._check_pem("ca_cert", pem.problem_of_certificate, missing=_("Paste the certificate of the authority."))
        self._check_pem("client_cert", pem.problem_of_certificate)
        self._check_pem("client_key", pem.problem_of_key)
        if self.errors or not (given["client_cert"] or given["client_key"]):
            return
        if given["client_cert"] and given["client_key"]:
            if not pem.belong_together(given["client_cert"], given["client_key"]):
                self.add_error("client_key", _("This key does not belong to the client certificate."))
        else:
            missing = "client_key" if given["client_cert"] else "client_cert"
            self.add_error(missing, _("Certificate and key belong together: give both."))

    def _check_tcp(self) -> None:
        given = self.cleaned_data
        if given.get("sasl_user") and not given.get("sasl_password") and "sasl_password" not in self.stored | set(self.errors):
            self.add_error("sasl_password", _("Give the password."))
        if given.get("sasl_password") and not given.get("sasl_user"):
            self.add_error("sasl_user", _("Whose password is it?"))

    def _check_pem(self, field: str, problem_of: Callable[[str], str], *, missing: str = "") -> None:
        if field in self.errors:
            return
        text = self.cleaned_data.get(field) or ""
        problem = problem_of(text) if text.strip() else missing if missing and field not in self.stored else ""
        if problem:
            self.add_error(field, problem)

    # ── what it makes ──

    def _endpoint(self) -> Endpoint:
        given = self.cleaned_data
        return Endpoint(
            kind=given["kind"],
            driver=self.host.driver if self.host and self.host.kind == given["kind"] else "qemu",  # type: ignore[arg-type]
            host=given["address"] or "",
            port=given["port"],
            user=given["login"] or "",
            path=given["path"] or "",
            session=bool(given["session"]),
        )

    def _consoles(self) -> Consoles:
        given = self.cleaned_data
        by_ssh = given["console_way"] == ConsoleWay.SSH
        return Consoles(by_ssh, given["console_address"] or "", given["console_port"], given["console_login"] or "")

    def _secrets(self) -> dict[str, str]:
        """Those that were typed; an empty field leaves what is stored, unless the other key was chosen."""
        given = self.cleaned_data
        secrets = {name: given[name].replace("\r\n", "\n") for name in SECRETS_OF.get(given["kind"], ()) if given[name].strip()}
        if given["key"] != "own":
            secrets |= _removed(secrets, ("private_key",), self.stored)
        if given["kind"] == Kind.TCP and not given["sasl_user"]:
            secrets |= _removed(secrets, ("sasl_user", "sasl_password"), self.stored)
        return secrets


def _removed(secrets: dict[str, str], names: tuple[str, ...], stored: set[str]) -> dict[str, str]:
    """These taken out of what is set anew, and out of what is stored."""
    for name in names:
        secrets.pop(name, None)
    return {name: "" for name in names if name in stored}


def _initial(host: Host | None, stored: set[str]) -> dict[str, Any]:
    if host is None:
        return {"kind": Kind.SSH, "key": "portal", "console_way": ConsoleWay.DIRECT}
    columns = ("kind", "name", "address", "port", "login", "path", "session", *_CONSOLES[:4], "notes", "revision")
    initial = {name: getattr(host, name) for name in columns} | {"key": "own" if "private_key" in stored else "portal"}
    if "sasl_user" in stored:
        initial["sasl_user"] = sealing.unseal(host.secrets.get(name="sasl_user").sealed)
    return initial


def _without_brackets(address: str) -> str:
    """[2001:db8::1] is how an IPv6 address stands in a URI; people paste it so."""
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address
