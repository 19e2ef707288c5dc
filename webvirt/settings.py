"""Settings of all processes, read from the environment (webvirt/environment.py)."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import dj_database_url

from webvirt import environment

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = environment.data_dir()
DEBUG = os.environ.get("WEBVIRT_DEBUG") == "1"

SECRET_KEY = environment.key_from_file("SECRET_KEY_FILE", DATA_DIR / "secret.key")
# Secrets of hosts are encrypted with keys of their own, so that SECRET_KEY can be rotated. First key writes, all read.
SECRETS_KEYS = environment.key_from_file("WEBVIRT_SECRETS_KEY_FILE", DATA_DIR / "secrets.key").split()

ALLOWED_HOSTS = environment.listing("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = environment.listing("CSRF_TRUSTED_ORIGINS")
BEHIND_TLS = os.environ.get("WEBVIRT_TLS") == "1"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "channels",
    "webvirt",
    "accounts",
    "live",
    "jobs",
    "hosts",
    "hosts.readiness",
    "hosts.storage",
    "hosts.storage.transfers",
    "hosts.networks",
    "hosts.devices",
    "machines",
    "machines.hardware",
    "machines.creation",
    "machines.snapshots",
    "machines.migration",
    "machines.moves",
    "consoles",
    "watcher",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webvirt.middleware.content_policy",
    "webvirt.middleware.sane_questions",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.sign_in_required",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "webvirt.urls"
ASGI_APPLICATION = "webvirt.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webvirt.frame.frame",
            ],
            "builtins": ["django.templatetags.static", "django.templatetags.i18n", "live.templatetags.wv"],
        },
    }
]

DATABASE_URL = environment.value("DATABASE_URL", f"sqlite:///{DATA_DIR / 'webvirt.sqlite3'}")
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=300, conn_health_checks=True)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        # Take the write lock when a transaction begins: upgrading later can fail at once with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000; PRAGMA mmap_size=134217728;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Moves of machines out of a host, into a host, and between two hosts: so many at a time, the others wait for their turn.
MOVES_AT_ONCE = int(environment.value("WEBVIRT_MOVES_AT_ONCE", "2"))

REDIS_URL = environment.value("REDIS_URL", f"unix://{DATA_DIR / 'run' / 'redis.sock'}")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "wv"}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "wv", "capacity": 2000},
    }
}

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1) if REDIS_URL.startswith("unix://") else REDIS_URL

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_RATE_LIMITS = False  # allauth's limit locks a name for everybody; accounts/attempts.py counts guesses

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "webvirt.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
UPLOAD_LARGEST_GIB = int(environment.value("WEBVIRT_UPLOAD_LARGEST_GIB", "2048"))
UPLOAD_SPOOL_MIB = int(environment.value("WEBVIRT_UPLOAD_SPOOL_MIB", "256"))  # in Redis, of all uploads together
UPLOAD_KEPT_HOURS = int(environment.value("WEBVIRT_UPLOAD_KEPT_HOURS", "24"))  # an upload for which nothing comes any more
DOWNLOAD_PATIENCE_SECONDS = 30.0  # until a worker is at it and the host has answered
# Networks (10.20.0.0/16) and names (mirror.example, .lan) inside, from which files may be fetched by their address.
FETCH_ALLOWED = environment.listing("WEBVIRT_FETCH_ALLOW")
DATA_UPLOAD_MAX_NUMBER_FIELDS = 12_000  # a bulk action names each machine of a large fleet

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True


def _static_version() -> str:
    """A hash of what is served: part of the URL, so that files can be cached for ever and import each other."""
    digest = hashlib.sha256()
    for file in sorted((BASE_DIR / "static").rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(BASE_DIR).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


STATIC_VERSION = "dev" if DEBUG else _static_version()
STATIC_URL = f"/static/{STATIC_VERSION}/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(os.environ.get("WEBVIRT_STATIC_ROOT") or DATA_DIR / "static") / STATIC_VERSION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG or "pytest" in sys.modules
WHITENOISE_MAX_AGE = 0 if DEBUG else 31_536_000

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("WEBVIRT_LOG_LEVEL", "INFO")},
    "loggers": {
        "asyncssh": {"level": "WARNING"},
        # A sweep every five seconds is not news.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
