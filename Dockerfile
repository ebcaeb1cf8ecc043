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

FROM scratch AS source
COPY pyproject.toml README.md LICENSE THIRD_PARTY_NOTICES.md /
COPY loc3r /loc3r
COPY pipelines /pipelines
COPY serving /serving

# An environment finds the Python that it was made with: each is made on the base that it will run on.
FROM ${BASE_IMAGE} AS build
COPY --from=tools /opt/tools/bin/uv /usr/local/bin/
COPY requirements.lock pyproject.toml README.md scripts/image_libraries.sh /src/
WORKDIR /src

FROM build AS train-libraries
ARG UV_TORCH_BACKEND
RUN sh image_libraries.sh client train real pipelines
FROM train-libraries AS train-program
COPY --from=source / /src
RUN uv pip install --compile-bytecode --no-deps --python /opt/loc3r/bin/python --prefix /opt/program /src

FROM build AS pipeline-libraries
RUN sh image_libraries.sh client pipelines
FROM pipeline-libraries AS pipeline-program
COPY --from=source / /src
RUN uv pip install --compile-bytecode --no-deps --python /opt/loc3r/bin/python --prefix /opt/program /src

FROM ${SERVE_IMAGE} AS serve-libraries
ARG UV_TORCH_BACKEND
COPY --from=tools /opt/tools/bin/uv /usr/local/bin/
COPY requirements.lock pyproject.toml README.md scripts/image_libraries.sh /src/
WORKDIR /src
RUN sh image_libraries.sh serve
FROM serve-libraries AS serve-program
COPY --from=source / /src
RUN uv pip install --compile-bytecode --no-deps --python /opt/loc3r/bin/python --prefix /opt/program /src

# The images. Libraries are a layer, and Loc3R is one: a new version of it moves 16 MB.
FROM ${SERVE_IMAGE} AS serve
COPY --from=serve-libraries /opt/loc3r /opt/loc3r
COPY --from=serve-program /opt/program /opt/loc3r
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --create-home loc3r && rm -f /opt/loc3r/.lock
USER 10001
ENTRYPOINT ["tritonserver"]
CMD ["--help"]

FROM ${BASE_IMAGE} AS pipeline
COPY --from=pipeline-libraries /opt/loc3r /opt/loc3r
COPY --from=pipeline-program /opt/program /opt/loc3r
COPY recipes /opt/loc3r/recipes
COPY checkpoints /opt/loc3r/checkpoints
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --create-home loc3r && rm -f /opt/loc3r/.lock
USER 10001
WORKDIR /workspace
ENTRYPOINT ["loc3r"]
CMD ["--help"]

FROM ${BASE_IMAGE} AS train
COPY --from=train-libraries /opt/loc3r /opt/loc3r
COPY --from=train-program /opt/program /opt/loc3r
COPY recipes /opt/loc3r/recipes
COPY checkpoints /opt/loc3r/checkpoints
ENV PATH=/opt/loc3r/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --create-home loc3r && rm -f /opt/loc3r/.lock
USER 10001
WORKDIR /workspace
ENTRYPOINT ["loc3r"]
CMD ["--help"]
