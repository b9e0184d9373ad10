# Frontdesk in a container. It serves what a mounted /site/plugins.toml says.
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY frontdesk frontdesk
COPY handoff handoff
COPY plugins plugins
COPY sandbox sandbox
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /site frontdesk \
    && mkdir -p /site/var && chown -R frontdesk:frontdesk /site
COPY --from=build /app /app
ENV PATH="/app/.venv/bin:$PATH" PYTHONUNBUFFERED=1
USER frontdesk
WORKDIR /site
VOLUME /site/var
EXPOSE 8000
# A stop takes at most 20 s; `docker stop -t 30` and compose.yaml give it the time.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["frontdesk"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
