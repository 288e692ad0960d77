# syntax=docker/dockerfile:1
# Builds one image: the server, the pinned Claude Code CLI and what agents need to work. It runs as a user without rights, on a
# root file system that may be read-only; /data and /workspaces are all that it writes to (/shared is where several servers may
# share a volume). deploy/try.sh carries out the steps of the last stage without a container engine, and starts the result.
ARG DEBIAN_RELEASE=bookworm
ARG RUST_VERSION=1.95.0
ARG NODE_VERSION=22

FROM rust:${RUST_VERSION}-slim-${DEBIAN_RELEASE} AS build
# C and assembler parts of TLS, SQLite and the allocator.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential=12.* \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# What was downloaded and compiled stays in the builder's caches, so that a change of the server builds only what it touches.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    cargo build --locked --profile dist -p claude-code-server \
    && cp target/dist/claude-code-server /claude-code-server

FROM node:${NODE_VERSION}-${DEBIAN_RELEASE}-slim AS cli
WORKDIR /cli
COPY agent-cli/package.json agent-cli/package-lock.json ./
# npm takes the package of this platform. It holds a program that needs no Node.
RUN --mount=type=cache,target=/root/.npm,sharing=locked \
    npm ci --ignore-scripts --no-audit --no-fund \
    && cp node_modules/@anthropic-ai/claude-code-linux-*/claude /claude

FROM debian:${DEBIAN_RELEASE}-slim AS server
# What agents work with. An image of your own may begin FROM this one, and add compilers and the like as root.
ARG AGENT_PACKAGES="git python3"
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian keeps only the newest versions, so a pinned one soon cannot be installed.
# hadolint ignore=DL3008
RUN apt-get update \
    && read -ra packages <<<"${AGENT_PACKAGES}" \
    && apt-get install --yes --no-install-recommends ca-certificates curl procps "${packages[@]}" \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
# Whoever runs a program that it may not read cannot look into it: agents run as the same user, and the environment of
# the server and of the health check holds secrets. So both programs may be executed only.
RUN useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin agents \
    && install --directory --owner=agents --group=agents --mode=0700 /data /shared \
    && install --directory --owner=agents --group=agents --mode=0755 /workspaces \
    && install --mode=0711 /usr/bin/curl /usr/local/bin/ask-health
COPY --from=cli --chmod=0755 /claude /opt/claude-code/claude
COPY --from=build --chmod=0711 /claude-code-server /usr/local/bin/claude-code-server
COPY --chmod=0755 deploy/docker/entrypoint.sh /usr/local/bin/entrypoint

# The Unix socket is for the health check: it speaks plain HTTP, whatever the port speaks.
ENV HOME=/data \
    SERVER_HOST=* \
    SERVER_PORT=8000 \
    SERVER_UNIX_SOCKET=/data/server.sock \
    MONITORING_PROMETHEUS_PORT=9090 \
    MONITORING_LOGGING_FORMAT=json \
    STORAGE_DATA_DIR=/data \
    WORKSPACE_ROOTS=/workspaces \
    CLAUDE_CLI_PATH=/opt/claude-code/claude

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Claude Code Server" \
      org.opencontainers.image.description="Runs Claude Code tasks that are submitted over HTTP" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 10001:10001
# The server reads .env of its folder, so that is none in which agents write: a project's own .env is not the server's.
WORKDIR /
VOLUME ["/data", "/workspaces"]
EXPOSE 8000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["ask-health", "--fail", "--silent", "--show-error", "--max-time", "4", "--unix-socket", "/data/server.sock", "http://localhost/health"]
# No tini: the server itself adopts and reaps what agents leave, and a process 1 of another program would show its secrets to them.
ENTRYPOINT ["entrypoint"]
CMD ["claude-code-server", "serve"]
