# What ghcr.io/mlflow/mlflow:v…-full is, where there is no registry: MLflow with its users, PostgreSQL's driver and S3.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS tools
RUN python3 -m pip install --no-cache-dir --target /opt/tools uv==0.13.9
FROM ${BASE_IMAGE} AS build
COPY --from=tools /opt/tools/bin/uv /usr/local/bin/
COPY requirements.lock /src/
RUN uv venv /opt/mlflow && uv pip install --link-mode copy --compile-bytecode --python /opt/mlflow/bin/python \
    --constraint /src/requirements.lock 'mlflow[auth]' 'psycopg[binary]' boto3
FROM ${BASE_IMAGE}
COPY --from=build /opt/mlflow /opt/mlflow
ENV PATH=/opt/mlflow/bin:$PATH
