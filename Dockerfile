# syntax=docker/dockerfile:1
# One image for every step on a cluster: pipeline components, training ranks and the Triton Python backend.
#
#   docker build -t ghcr.io/loc3r/loc3r:0.1.0 .
#   docker build --build-arg BASE_IMAGE=nvcr.io/nvidia/pytorch:26.09-py3 -t … .    # GPUs: keeps that image's torch
ARG BASE_IMAGE=docker.io/library/python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV UV_LINK_MODE=copy PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m pip install --no-cache-dir uv==0.13.9 && python3 -m venv /opt/loc3r
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE THIRD_PARTY_NOTICES.md ./
RUN uv pip install --no-cache --python /opt/loc3r/bin/python -r requirements.lock
COPY loc3r loc3r
COPY pipelines pipelines
COPY serving serving
RUN uv pip install --no-cache --python /opt/loc3r/bin/python --no-deps .

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --create-home loc3r
COPY --from=build /opt/loc3r /opt/loc3r
COPY recipes /opt/loc3r/recipes
COPY checkpoints /opt/loc3r/checkpoints
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /workspace
ENTRYPOINT ["loc3r"]
CMD ["--help"]
