# The operator's image. `docker build .` is all it takes where Docker and PyPI can be reached; without a
# registry, `python -m images build operator` (tools/images) makes the base and fetches the wheels itself.
#
# The base is any image with Python 3.11 or later and no need of more. Pin yours by digest:
#   docker build --build-arg BASE=docker.io/library/python:3.11-slim-bookworm@sha256:... .
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
# For a build without network: pip then takes the wheels, and itself, from the build context.
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ARG PYTHONPATH
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements-build.lock requirements-operator.lock ./
COPY wheel[s] ./wheels/
RUN python3 -m venv --without-pip /tools \
 && python3 -m pip --python /tools/bin/python3 install --quiet --require-hashes -r requirements-build.lock
RUN python3 -m venv --without-pip /opt/stowage \
 && python3 -m pip --python /opt/stowage/bin/python3 install --quiet --no-compile --require-hashes --no-deps \
      -r requirements-operator.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator ./operator
RUN /tools/bin/python3 -m hatchling build -t wheel -d /dist \
 && python3 -m pip --python /opt/stowage/bin/python3 install --quiet --no-compile --no-deps --no-index /dist/*.whl \
 && mkdir /opt/stowage/sbom \
 && env -u PYTHONPATH /tools/bin/cyclonedx-py environment --output-reproducible --spec-version 1.6 \
      --output-file /opt/stowage/sbom/stowage-operator.cdx.json /opt/stowage/bin/python3 \
 && find /opt/stowage -depth -type d \( -name tests -o -name test \) -exec rm -rf {} +

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
COPY --from=build /opt/stowage /opt/stowage
# Python can't write byte code under a read-only root, so what the operator imports is compiled here, and no more.
# The base's installer goes, and the user gets a name.
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
 && echo 'stowage:x:65532:65532:stowage:/:/sbin/nologin' >> /etc/passwd \
 && echo 'stowage:x:65532:' >> /etc/group \
 && /opt/stowage/bin/python3 -c "import importlib, pkgutil, stowage; [importlib.import_module(m.name) for m in \
      pkgutil.walk_packages(stowage.__path__, 'stowage.') if not m.name.endswith(('__main__', 'advise_plot'))]"
ENV PATH=/opt/stowage/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
LABEL org.opencontainers.image.title="Stowage operator" \
      org.opencontainers.image.description="Puts every inference workload on the accelerator that suits it, in the variant that runs best there" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
WORKDIR /
ENTRYPOINT ["stowage"]
