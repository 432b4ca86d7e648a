# Sluice as a container, and nginx in front of it (docs/how-to/containers.md). Needs no BuildKit: Podman and Buildah
# build it too.

# The tag is for people; the digest, of the image's index for all platforms, decides. Change both together.
ARG PYTHON_IMAGE=docker.io/library/python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
ARG NGINX_IMAGE=docker.io/library/nginx:1.30.5-alpine-slim@sha256:3183326a9e60555eb0abf995c9dc213232434639f514fb3e86872d89ee780df4

# ---- The wheel with the page's libraries, and the environment that it is installed into. Node and pip stay here.
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# At the same path as in the last stage: its programs have the path in their first line.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/sluice
ENV PATH=/opt/build/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
COPY locks/build.txt locks/node.txt locks/run.txt locks/
RUN pip install --require-hashes --only-binary :all: -r locks/build.txt -r locks/node.txt
# pip also compiles the modules, which nothing can do later on a read-only root.
RUN pip --python /opt/sluice/bin/python install --require-hashes --only-binary :all: -r locks/run.txt
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev
COPY web/static/ web/static/
RUN npm run --silent vendor && npm run --silent bundle
COPY pyproject.toml README.md LICENSE ./
COPY sluice/ sluice/
COPY service/ service/
COPY web/ web/
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . \
    && pip --python /opt/sluice/bin/python install --no-index --no-deps /dist/sluice-*.whl

# ---- nginx, with deploy/nginx.conf adapted by deploy/nginx-container.sed.
FROM ${NGINX_IMAGE} AS front
# The name under which the chat is reached.
ARG CHAT_HOST=localhost
COPY deploy/nginx.conf deploy/nginx-container.sed /tmp/
RUN sed -f /tmp/nginx-container.sed -e "s/server_name chat\.example\.com;/server_name ${CHAT_HOST} localhost;/" \
      /tmp/nginx.conf > /etc/nginx/nginx.conf \
    && rm /tmp/nginx.conf /tmp/nginx-container.sed \
    && mkdir -p /var/lib/nginx && chown 101:101 /var/lib/nginx
# The number of the image's user `nginx`. Kubernetes checks `runAsNonRoot` by a number only.
USER 101:101
EXPOSE 8080
# As nginx's image has it: open answers end first. SIGTERM would cut them off.
STOPSIGNAL SIGQUIT

# ---- Sluice. The last stage, so that `docker build .` makes it.
FROM ${PYTHON_IMAGE} AS sluice
COPY --from=build /opt/sluice /opt/sluice
# From outside of the container, its loopback cannot be reached; `-p` decides who can reach the port. Other names than
# localhost are refused until SLUICE_ALLOWED_HOSTS lists them, as on loopback: a page of any site can have its own name
# point at a published port.
ENV PATH=/opt/sluice/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8000 \
    SLUICE_ALLOWED_HOSTS=localhost
# Empty: for a `.env`, or for the module of an application that serves Sluice below a path:
#     FROM sluice
#     COPY shop.py /app/
#     CMD ["python", "-m", "gunicorn", "-c", "python:sluice.gunicorn", "shop:app"]
WORKDIR /app
# Any other number works too; it owns nothing and needs no name.
USER 10001:10001
EXPOSE 8000
# Whether the process is alive, and not whether it takes chats (/readyz): what is unhealthy is replaced by Swarm and
# others, and no replacement makes a busy or draining server ready. Not urllib, which would ask a proxy of HTTP_PROXY.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# Without a shell, so that SIGTERM reaches gunicorn's master, which is process 1. It also reaps orphans.
CMD ["python", "-m", "gunicorn", "-c", "python:sluice.gunicorn"]
