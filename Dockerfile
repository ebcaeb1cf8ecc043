# syntax=docker/dockerfile:1
# Three images: what computes (ranks, data, evaluation), what decides and hands on (deploy, gate, back-up), and Triton's.
#
#   docker build --target train    --tag ghcr.io/loc3r/loc3r:0.1.0 .
#   docker build --target pipeline --tag ghcr.io/loc3r/loc3r-pipeline:0.1.0 .
#   docker build --target serve    --tag ghcr.io/loc3r/loc3r-serve:0.1.0 .
#
# torch is the index's CUDA build; --build-arg UV_TORCH_BACKEND=cpu takes the small one. docs/cluster.md says how to
# build without a registry. /opt/loc3r/sbom.cdx.json lists an image's libraries (CycloneDX).
ARG BASE_IMAGE=docker.io/library/python:3.11.14-slim-bookworm
ARG SERVE_IMAGE=nvcr.io/nvidia/tritonserver:26.09-py3

FROM ${BASE_IMAGE} AS tools
RUN python3 -m pip install --no-cache-dir --target /opt/tools uv==0.13.9

FROM tools AS package
COPY pyproject.toml README.md LICENSE THIRD_PARTY_NOTICES.md /src/
COPY loc3r /src/loc3r
COPY pipelines /src/pipelines
COPY serving /src/serving
RUN /opt/tools/bin/uv build --wheel --no-cache --out-dir /opt/package /src

# An environment finds the Python that it was made with: each is made on the base that it will run on.
FROM ${BASE_IMAGE} AS build
COPY --from=tools /opt/tools/bin/uv /usr/local/bin/
COPY requirements.lock pyproject.toml README.md scripts/image_libraries.sh /src/
WORKDIR /src

FROM build AS train-libraries
ARG UV_TORCH_BACKEND
RUN sh image_libraries.sh client train real pipelines

FROM build AS pipeline-libraries
RUN sh image_libraries.sh client pipelines

FROM ${SERVE_IMAGE} AS serve-libraries
ARG UV_TORCH_BACKEND
COPY --from=tools /opt/tools/bin/uv /usr/local/bin/
COPY requirements.lock pyproject.toml README.md scripts/image_libraries.sh /src/
WORKDIR /src
RUN sh image_libraries.sh serve

# The images. Libraries are a layer of their own: a new version of Loc3R moves megabytes.
FROM ${SERVE_IMAGE} AS serve
COPY --from=serve-libraries /opt/loc3r /opt/loc3r
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
RUN --mount=type=bind,from=package,source=/opt,target=/mnt \
    /mnt/tools/bin/uv pip install --no-cache --no-deps --python /opt/loc3r/bin/python /mnt/package/*.whl \
    && useradd --uid 10001 --create-home loc3r
USER 10001
ENTRYPOINT ["tritonserver"]
CMD ["--help"]

FROM ${BASE_IMAGE} AS pipeline
COPY --from=pipeline-libraries /opt/loc3r /opt/loc3r
COPY recipes /opt/loc3r/recipes
COPY checkpoints /opt/loc3r/checkpoints
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
RUN --mount=type=bind,from=package,source=/opt,target=/mnt \
    /mnt/tools/bin/uv pip install --no-cache --no-deps --python /opt/loc3r/bin/python /mnt/package/*.whl \
    && useradd --uid 10001 --create-home loc3r
USER 10001
WORKDIR /workspace
ENTRYPOINT ["loc3r"]
CMD ["--help"]

FROM ${BASE_IMAGE} AS train
COPY --from=train-libraries /opt/loc3r /opt/loc3r
COPY recipes /opt/loc3r/recipes
COPY checkpoints /opt/loc3r/checkpoints
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
RUN --mount=type=bind,from=package,source=/opt,target=/mnt \
    /mnt/tools/bin/uv pip install --no-cache --no-deps --python /opt/loc3r/bin/python /mnt/package/*.whl \
    && useradd --uid 10001 --create-home loc3r
USER 10001
WORKDIR /workspace
ENTRYPOINT ["loc3r"]
CMD ["--help"]
