"""Wait until the migration Job has brought both of MLflow's schemas to this version: a server must not race with it.

apply  it is the init container of loc3r-mlflow (mlflow.yaml), from ConfigMap loc3r-mlflow
check  kubectl get pods -n loc3r -l app.kubernetes.io/component=mlflow
logs   kubectl logs -n loc3r deploy/loc3r-mlflow -c wait-for-schema
clean  kubectl delete deploy loc3r-mlflow -n loc3r
"""

import os
import sys
import time

import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import _verify_schema

deadline = time.monotonic() + float(os.environ.get("PATIENCE_S", "600"))
engine = sqlalchemy.create_engine(os.environ["MLFLOW_BACKEND_STORE_URI"])
while True:
    try:
        _verify_schema(engine)
        if sqlalchemy.inspect(engine).has_table("alembic_version_auth"):  # the Job's second and last step
            sys.exit(0)
        problem = "the authentication tables are not there yet"
    except (sqlalchemy.exc.OperationalError, MlflowException) as error:
        problem = str(error).splitlines()[0]
    sys.stdout.write(f"waiting: {problem}\n")
    sys.stdout.flush()
    if time.monotonic() > deadline:
        sys.exit("gave up: kubectl logs -n loc3r -l app.kubernetes.io/component=migrate")
    time.sleep(3)
