# docker build -f services/transform/dataflow.Dockerfile . (the context is the repository's root)
# The workers of Dataflow, Flink and Spark, and the launcher of the flex template in dataflow-template.json.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/build.txt requirements/transform.txt requirements/
RUN python -m venv /opt/tidemill \
 && pip install --require-hashes -r requirements/build.txt \
 && pip --python /opt/tidemill install --require-hashes -r requirements/transform.txt
COPY libs libs
COPY services/transform services/transform
RUN pip wheel --no-deps --no-index --no-build-isolation -w dist \
    ./libs/contracts ./libs/runtime ./services/transform \
 && pip --python /opt/tidemill install --no-deps --no-index dist/*.whl

FROM ${BASE}
COPY --from=docker.io/apache/beam_python3.11_sdk:2.77.0 /opt/apache/beam /opt/apache/beam
COPY --from=gcr.io/dataflow-templates-base/python311-template-launcher-base:20230622_RC00 \
    /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
COPY --from=build /opt/tidemill /opt/tidemill
# The SDK would otherwise make a virtual environment of its own, which does not see ours. It asks pip for Beam.
ENV PATH=/opt/tidemill/bin:$PATH RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 PYTHONUNBUFFERED=1
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/opt/tidemill/bin/tidemill-pass
# No USER: Dataflow mounts folders for the SDK to write to, which are root's.
ENTRYPOINT ["/opt/apache/beam/boot"]
