# The serving image: answers only. Training, plotting and the tracking server are not in it.
# With --build-arg LOCK=train it is the training image, which also runs the MLflow server.

ARG LOCK=serve

FROM python:3.11-slim-bookworm AS builder
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# Debian keeps one version of a package: a pin would break the build and protect nothing.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never

# Dependencies first: this layer changes only when a lock does.
ARG LOCK
COPY requirements/installer.txt requirements/${LOCK}.txt requirements/build.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/installer.txt \
    && python -m venv --without-pip /opt/homeward \
    && uv pip install --python /opt/homeward/bin/python --require-hashes -r "requirements/${LOCK}.txt"

COPY . .
RUN install -D tools/openmp.py /opt/homeward/lib/openmp.py \
    && uv build --wheel --build-constraints requirements/build.txt --require-hashes --out-dir dist \
    && uv pip install --python /opt/homeward/bin/python --no-deps dist/*.whl


FROM python:3.11-slim-bookworm
# The image's own pip goes: nothing is to be installed in a running container.
RUN python -m pip uninstall --yes pip setuptools wheel \
    && groupadd --system --gid 10001 homeward \
    && useradd --system --uid 10001 --gid homeward --no-create-home --home-dir /var/lib/homeward \
       --shell /usr/sbin/nologin homeward \
    && install --directory --owner homeward --group homeward /var/lib/homeward
COPY --from=builder /opt/homeward /opt/homeward
# LightGBM, of the training image alone, needs an OpenMP library that the base does not have.
ARG LOCK
RUN test "$LOCK" = serve || /opt/homeward/bin/python /opt/homeward/lib/openmp.py

# Works with a read-only root: nothing is written outside the volume (and a tmpfs on /tmp).
ENV PATH=/opt/homeward/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true
WORKDIR /var/lib/homeward
VOLUME /var/lib/homeward
USER 10001:10001
EXPOSE 8000

# Ready means: a model is loaded and it was made for this code.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]

ENTRYPOINT ["homeward"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
