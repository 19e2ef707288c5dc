"""Of allauth's many routes only these exist here."""

from __future__ import annotations

from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.account, name="account"),
    path("login/", views.sign_in, name="account_login"),
    path("logout/", views.sign_out, name="account_logout"),
    path("setup/<str:secret>/", views.setup, name="account_setup"),
    path("password/", views.change_password, name="account_change_password"),
    path("tokens/", views.create_token, name="account_tokens"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="account_revoke_token"),
]
