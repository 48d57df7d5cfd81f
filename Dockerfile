FROM python:3.13.12-slim-trixie AS build
WORKDIR /pegasus
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY alembic.ini ./
COPY backend backend
RUN .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash backend

FROM python:3.13.12-slim-trixie
WORKDIR /pegasus
COPY --from=build /pegasus ./
RUN install --directory --owner=65534 --group=65534 --mode=0700 /data
# Other machines reach 0.0.0.0, so a container refuses to start until somebody says who may: AUTH=tokens or AUTH=open.
ENV PATH=/pegasus/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    DATA_PATH=/data
VOLUME ["/data"]
EXPOSE 8000
# nobody, by number, so that an orchestrator can see that it isn't root.
USER 65534:65534
WORKDIR /pegasus/backend
# http.client, because urllib would ask a configured proxy for 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "main.py"]
