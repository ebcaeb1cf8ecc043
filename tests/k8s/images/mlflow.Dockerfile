# What ghcr.io/mlflow/mlflow:v…-full is, where there is no registry: MLflow with its users, PostgreSQL's driver and S3.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS tools
RUN python3 -m pip install --no-cache-dir --target /opt/tools uv==0.13.9
FROM ${BASE_IMAGE}
COPY requirements.lock /tmp/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt \
    /mnt/bin/uv venv /opt/mlflow && /mnt/bin/uv pip install --link-mode copy --compile-bytecode \
    --python /opt/mlflow/bin/python --constraint /tmp/requirements.lock 'mlflow[auth]' 'psycopg[binary]' boto3
ENV PATH=/opt/mlflow/bin:$PATH
