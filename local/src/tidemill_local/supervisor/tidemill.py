"""Tidemill on one machine: the table of its processes, in the order in which they start."""

import json
import sys

from tidemill_local.supervisor.blueprint import Blueprint, Process

PROJECT = "tidemill"

BROKER = Process(
    name="broker",
    command=(
        *("-m", "tidemill_local.broker", "--host", "{host}", "--port", "{port[broker]}"),
        *("--metrics-port", "{port[broker_metrics]}", "--data", "{home}/broker.db"),
    ),
    ready_url="http://{host}:{port[broker_metrics]}/readyz",
    address="{host}:{port[broker]}",
)
BOOTSTRAP = Process(
    name="bootstrap",
    command=("-m", "tidemill_local.bootstrap"),
    ready_url=None,
    after=("broker",),
    uses=("broker",),
)
MODEL_SERVER = Process(
    name="model-server",
    command=(
        *("-m", "tidemill_local.modelserver", "--host", "{host}", "--port", "{port[model_server]}"),
        *("--monitoring-port", "{port[model_server_metrics]}"),
    ),
    ready_url="http://{host}:{port[model_server_metrics]}/readyz",
    address="{host}:{port[model_server]}",
)
TRAINER = Process(
    name="trainer",
    command=("-m", "tidemill_trainer"),
    environment={
        "TIDEMILL_METRICS_PORT": "{port[trainer_metrics]}",
        "TIDEMILL_CHECK_SERVER_COMMAND": json.dumps([sys.executable, "-m", "tidemill_local.modelserver"]),
    },
    ready_url="http://{host}:{port[trainer_metrics]}/readyz",
    after=("bootstrap",),
    uses=("broker",),
)
TRANSFORM = Process(
    name="transform",
    command=("-m", "tidemill_transform"),
    environment={"TIDEMILL_METRICS_PORT": "{port[transform_metrics]}"},
    ready_url="http://{host}:{port[transform_metrics]}/readyz",
    after=("bootstrap",),
    uses=("broker",),
)
INGEST = Process(
    name="ingest",
    command=("-m", "tidemill_ingest"),
    environment={
        "TIDEMILL_METRICS_PORT": "{port[ingest_metrics]}",
        "TIDEMILL_PORT": "{port[ingest]}",
    },
    ready_url="http://{host}:{port[ingest_metrics]}/readyz",
    after=("bootstrap",),
    uses=("broker",),
    address="http://{host}:{port[ingest]}",
    secrets={"TIDEMILL_PRIVACY_KEY": "privacy-key"},
)
BUCKET = Process(
    name="bucket",
    command=("-m", "tidemill_local.bucket"),
    environment={
        "TIDEMILL_METRICS_PORT": "{port[bucket_metrics]}",
        "TIDEMILL_ANNOUNCED_PATH": "{home}/announced.db",
    },
    ready_url="http://{host}:{port[bucket_metrics]}/readyz",
    after=("bootstrap",),
    uses=("broker",),
    address="{home}/bucket/tidemill/drops",
)
SERVING = Process(
    name="serving",
    command=("-m", "tidemill_serving"),
    environment={
        "TIDEMILL_METRICS_PORT": "{port[serving_metrics]}",
        "TIDEMILL_CONTROL_PORT": "{port[serving]}",
    },
    ready_url="http://{host}:{port[serving_metrics]}/readyz",
    after=("bootstrap",),
    uses=("broker", "model-server"),
    address="{host}:{port[serving]}",
)
GATEWAY = Process(
    name="gateway",
    command=("-m", "tidemill_gateway"),
    environment={
        "TIDEMILL_METRICS_PORT": "{port[gateway_metrics]}",
        "TIDEMILL_REST_PORT": "{port[gateway]}",
        "TIDEMILL_GRPC_PORT": "{port[gateway_grpc]}",
    },
    ready_url="http://{host}:{port[gateway_metrics]}/readyz",
    uses=("serving", "model-server"),
    address="http://{host}:{port[gateway]}",
    grpc_address="{host}:{port[gateway_grpc]}",
    secrets={"TIDEMILL_PREDICTION_KEY": "prediction-key"},
)
CONTROLLER = Process(
    name="controller",
    command=("-m", "tidemill_controller"),
    environment={"TIDEMILL_METRICS_PORT": "{port[controller_metrics]}", "TIDEMILL_LOOK_SECONDS": "1"},
    ready_url="http://{host}:{port[controller_metrics]}/readyz",
    after=("bootstrap",),
    uses=("broker",),
)

TIDEMILL = Blueprint(
    processes=(
        *(BROKER, MODEL_SERVER, BOOTSTRAP, TRAINER, TRANSFORM, INGEST, BUCKET, SERVING, GATEWAY),
        CONTROLLER,
    ),
    ports={
        "gateway": 8080,
        "gateway_grpc": 8081,
        "ingest": 8082,
        "model_server": 8500,
        "serving": 8510,
        "broker": 8085,
        "gateway_metrics": 9090,
        "ingest_metrics": 9091,
        "transform_metrics": 9092,
        "trainer_metrics": 9093,
        "serving_metrics": 9094,
        "model_server_metrics": 9095,
        "bucket_metrics": 9096,
        "broker_metrics": 9097,
        "controller_metrics": 9098,
    },
    environment={
        "TIDEMILL_PROJECT": PROJECT,
        "TIDEMILL_HOST": "{host}",
        "TIDEMILL_BUCKET_URL": "{bucket_url}",
        "TIDEMILL_SCRATCH_FOLDER": "{home}/scratch",
        "TIDEMILL_TRACKING_URI": "sqlite:///{home}/mlflow.db",
        "TIDEMILL_MODEL_SERVER_ADDRESS": "{host}:{port[model_server]}",
        "TIDEMILL_SERVING_ADDRESS": "{host}:{port[serving]}",
        "PUBSUB_EMULATOR_HOST": "{host}:{port[broker]}",
    },
)
