# One image for every app, for the load and for the small helpers of the container stack: `python -m apps.gateway`, …
#
#   docker build -f deploy/app.Dockerfile -t carousel-app .
#
# Plain Dockerfile, readable by the classic builder and by BuildKit. Packages come from the lock, checked by hash, as
# wheels only: there is no compiler in any stage.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
# An index or a certificate of one's own, where the machine that builds has one: --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/run.txt /build/run.txt
RUN python -m venv --without-pip /opt/carousel \
 && python -m pip --python /opt/carousel/bin/python install --require-hashes --only-binary :all: -r /build/run.txt \
 && find /opt/carousel -depth -type d \( -name tests -o -name test \) -path '*/site-packages/*' -exec rm -rf {} +
COPY apps /app/apps
COPY deploy /app/deploy
COPY tests/load /app/tests/load
# The file system is read-only later: what can be compiled is compiled now.
RUN python -m compileall -q /app && mkdir -p /data && chmod -R a+rX,go-w /app

FROM ${BASE}
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip*
COPY --from=build /opt/carousel /opt/carousel
COPY --from=build /app /app
# A fresh named volume takes over the owner of the folder it is mounted on.
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/opt/carousel/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["python", "-m", "apps.gateway"]
