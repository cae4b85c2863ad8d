# One image for nodes and sample backends. The workspace is copied whole and its dependencies are installed inside it: Node
# strips types only outside node_modules, so a deployed (copied) package would not start.

FROM node:26-bookworm-slim AS dependencies
WORKDIR /opt/flotilla
# Manifests first: the layer with the dependencies changes only when they do.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages/cli/package.json packages/cli/
COPY packages/controlplane/package.json packages/controlplane/
COPY packages/dashboard/package.json packages/dashboard/
COPY packages/dataplane/package.json packages/dataplane/
COPY packages/node/package.json packages/node/
COPY packages/raft/package.json packages/raft/
COPY packages/shared/package.json packages/shared/
COPY packages/simulator/package.json packages/simulator/
COPY test/package.json test/
COPY bench/package.json bench/
RUN npm install --global --no-audit --no-fund "$(node -p 'require("./package.json").packageManager')" \
 && pnpm install --prod --frozen-lockfile --reporter=append-only --store-dir /tmp/store --filter '@flotilla/cli...'
COPY packages packages
COPY deploy deploy

FROM node:26-bookworm-slim
# libuv reads its pool size once, at the start: LevelDB's synced writes must not queue behind DNS and file reads.
ENV NODE_ENV=production \
    UV_THREADPOOL_SIZE=16 \
    FLOTILLA_DATA_DIR=/var/lib/flotilla
COPY --from=dependencies /opt/flotilla /opt/flotilla
RUN mkdir -p /var/lib/flotilla && chown node:node /var/lib/flotilla
USER node
WORKDIR /var/lib/flotilla
EXPOSE 7400 7500 8080
STOPSIGNAL SIGTERM
# /live: the process works. Whether it should get traffic is /ready, which docker-compose.yml asks for.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "/opt/flotilla/deploy/healthcheck.mjs", "http://127.0.0.1:7400/live"]
# The process is PID 1 and handles its signals itself; it starts threads, never processes, so nothing needs reaping.
# V8 marks in short steps on the thread whose heap it is: helper threads would take every core from the proxy threads meanwhile.
ENTRYPOINT ["node", "--no-concurrent-marking", "/opt/flotilla/packages/cli/src/main.ts"]
CMD ["node"]
