# One image for every process of the portal: web, workers, watcher, schedule. docker-compose.yml says which container runs which.
#
#   docker build -t webvirt .
#
# Runs without root, with a read-only root file system; what changes lives in PostgreSQL and Valkey.

ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS packages
# libvirt-python comes as source only.
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev libvirt-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /
RUN python3 -m venv /opt/webvirt \
 && /opt/webvirt/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.lock

FROM ${PYTHON_IMAGE}
# libvirt0: the client library. ssh: how qemu+ssh reaches a host. SASL: how qemu+tcp signs in.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libvirt0 libsasl2-modules openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin webvirt
COPY --from=packages /opt/webvirt /opt/webvirt
ENV PATH=/opt/webvirt/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=webvirt.settings \
    WEBVIRT_DATA=/var/lib/webvirt
COPY . /app
WORKDIR /app
# The files to serve are compressed once, here. The keys that the settings make on the way are thrown away: the real ones come as secrets.
RUN SECRET_KEY_FILE=/tmp/a WEBVIRT_SECRETS_KEY_FILE=/tmp/b python3 manage.py collectstatic --no-input --verbosity 0 \
 && rm /tmp/a /tmp/b \
 && python3 -m compileall -q /app \
 && chmod -R a+rX /app /var/lib/webvirt
USER webvirt
EXPOSE 8000
CMD ["uvicorn", "webvirt.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio", \
     "--ws-per-message-deflate", "false", "--ws-max-size", "65536", "--no-access-log", "--no-server-header", "--proxy-headers", "--forwarded-allow-ips", "*", \
     "--timeout-graceful-shutdown", "5", "--log-level", "warning"]
