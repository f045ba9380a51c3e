# docker build -f services/transform/dataflow.Dockerfile . (the context is the repository's root)
# The workers of Dataflow, Flink and Spark, and the launcher of the flex template in dataflow-template.json.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG BEAM=docker.io/apache/beam_python3.11_sdk:2.77.0
ARG LAUNCHER=gcr.io/dataflow-templates-base/python311-template-launcher-base:20230622_RC00

FROM ${BASE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/transform.txt requirements/
RUN python -m venv --without-pip /opt/tidemill \
 && pip --python /opt/tidemill install --no-deps --require-hashes -r requirements/transform.txt
# Headers are for compilers: a quarter of TensorFlow.
RUN find /opt/tidemill/lib -path '*/site-packages/*' ! -path '*/nvidia/*' -name include -prune -exec rm -r {} +

FROM dependencies AS code
COPY requirements/build.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt
COPY libs libs
COPY services/transform services/transform
RUN pip wheel --no-deps --no-index --no-build-isolation -w dist \
    ./libs/contracts ./libs/runtime ./services/transform \
 && pip --python /opt/tidemill install --root /code --no-deps --no-index dist/*.whl

FROM ${BEAM} AS beam
FROM ${LAUNCHER} AS launcher

FROM ${BASE}
# The official image has no bytecode of the standard library, and a read-only root has no place to keep it.
RUN python -m compileall -q "$(python -c 'import os; print(os.path.dirname(os.__file__))')" \
 && pip uninstall --quiet --yes pip setuptools wheel
COPY --from=dependencies /opt/tidemill /opt/tidemill
COPY --from=code /code /
COPY --from=beam /opt/apache/beam /opt/apache/beam
COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
# The SDK asks pip which Beam there is. It would otherwise make an environment of its own, which does not see ours.
RUN python -m venv --upgrade /opt/tidemill
ENV PATH=/opt/tidemill/bin:$PATH RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 PYTHONUNBUFFERED=1
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/opt/tidemill/bin/tidemill-pass
# No USER: Dataflow mounts folders for the SDK to write to, which are root's.
ENTRYPOINT ["/opt/apache/beam/boot"]
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title=tidemill-worker \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.licenses=Apache-2.0
