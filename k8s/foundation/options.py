"""What Tidemill stands on only where it is told to: BigQuery, Dataflow, and a database for MLflow."""

from collections.abc import Iterator

from foundation.resources import (
    BUCKET,
    IDENTITIES,
    PROJECT,
    REPOSITORY,
    Resource,
    grant,
    resource,
    service_account,
)

WORKER = service_account("tidemill-worker", "Workers of Dataflow")
TRACKING = "tidemill-mlflow"
DATABASE = "mlflow"
# Where the chart's MLflow keeps files.
ARTIFACTS = "mlflow/"


def warehouse() -> Iterator[Resource]:
    """Let transform make and fill tables in a dataset; people ask the project's owners.

    Tables are not declared: transform makes them, for there are as many as pipelines, and adds and widens
    their columns as the data does. A declared table would be turned back into what was declared.
    """
    writer = {"role": "WRITER", "iamMember": f"{IDENTITIES}transform"}
    # What is written here is all the access there is.
    owners = {"role": "OWNER", "specialGroup": "projectOwners"}
    spec = {"location": "${REGION}", "access": [owners, writer]}
    yield resource("bigquery", "BigQueryDataset", "tidemill", spec)
    # Jobs belong to a project; what they may touch is the dataset's to say.
    yield grant("transform", "bigquery.jobUser", PROJECT)


def dataflow() -> Iterator[Resource]:
    """Let transform start jobs of Dataflow, whose workers are an account of their own."""
    yield WORKER
    yield grant(WORKER, "dataflow.worker", PROJECT)
    yield grant(WORKER, "storage.objectUser", BUCKET)
    yield grant(WORKER, "artifactregistry.reader", REPOSITORY)
    yield grant("transform", "dataflow.developer", PROJECT)
    yield grant("transform", "iam.serviceAccountUser", WORKER)


def tracking() -> Iterator[Resource]:
    """Declare a PostgreSQL for MLflow, which answers in the project's default network alone."""
    settings = {
        "tier": "db-g1-small",
        "edition": "ENTERPRISE",
        "availabilityType": "REGIONAL",
        "diskAutoresize": True,
        "deletionProtectionEnabled": True,
        "backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True},
        "ipConfiguration": {
            "ipv4Enabled": False,
            "sslMode": "ENCRYPTED_ONLY",
            "privateNetworkRef": {"external": "projects/${PROJECT_ID}/global/networks/default"},
        },
    }
    spec = {"databaseVersion": "POSTGRES_16", "region": "${REGION}", "settings": settings}
    instance = {"instanceRef": {"name": TRACKING}}
    password = {"valueFrom": {"secretKeyRef": {"name": TRACKING, "key": "password"}}}
    yield resource("sql", "SQLInstance", TRACKING, spec)
    yield resource("sql", "SQLDatabase", DATABASE, instance)
    yield resource("sql", "SQLUser", DATABASE, {**instance, "password": password})
    yield grant("mlflow", "cloudsql.client", PROJECT)
    yield grant("mlflow", "storage.objectUser", BUCKET, (ARTIFACTS,))
    yield grant("mlflow", "storage.legacyBucketReader", BUCKET)
