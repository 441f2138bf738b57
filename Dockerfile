# syntax=docker/dockerfile:1

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/jackfield
COPY requirements.txt .
RUN /opt/jackfield/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY migrations migrations
COPY app app
RUN /opt/jackfield/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Jackfield" \
      org.opencontainers.image.licenses="Apache-2.0"
# The data folder is used only while JACKFIELD_DATABASE_URL is unset: then it holds the embedded PostgreSQL.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin jackfield \
    && install --directory --owner jackfield --mode 0700 /data
COPY --from=build /opt/jackfield /opt/jackfield
ENV PATH=/opt/jackfield/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    JACKFIELD_DATA=/data \
    JACKFIELD_HOST=0.0.0.0 \
    JACKFIELD_PORT=8090
USER jackfield
VOLUME /data
EXPOSE 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --start-interval=1s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"JACKFIELD_PORT\"]}/readyz', timeout=5)"]
ENTRYPOINT ["jackfield"]
CMD ["serve"]
