from __future__ import annotations

from django.urls import path

from accounts import audit_views, people_views

app_name = "people"
urlpatterns = [
    path("", people_views.listing, name="list"),
    path("add/", people_views.add, name="add"),
    path("audit/", audit_views.listing, name="audit"),
    path("audit.csv", audit_views.export, name="audit-csv"),
    path("<int:pk>/", people_views.person, name="person"),
    path("<int:pk>/name/", people_views.rename, name="name"),
    path("<int:pk>/grants/", people_views.grant, name="grant"),
    path("<int:pk>/grants/<int:grant_pk>/withdraw/", people_views.withdraw, name="withdraw"),
    path("<int:pk>/administrator/", people_views.set_administrator, name="administrator"),
    path("<int:pk>/active/", people_views.set_active, name="active"),
    path("<int:pk>/password/", people_views.set_password, name="password"),
    path("<int:pk>/tokens/<int:token_pk>/revoke/", people_views.revoke_token, name="revoke-token"),
]
