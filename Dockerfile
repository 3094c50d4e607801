# The image of the services: a node of the log is this image with a command and its environment.
#
#   docker build -t replicated-log:local .
#   docker run -e AMQP_URL=… -v log:/data replicated-log:local                                            the master
#   docker run -e AMQP_URL=… -e NODE_ID=secondary-1 -v log-1:/data replicated-log:local secondary         a secondary
#
# Nothing but what runs is in it: no compiler, no development packages, no sources, no curl. There is no `# syntax` line, since
# fetching another frontend would need a registry that the build otherwise does without.
ARG NODE_IMAGE=node:24-slim

# ---- the packages that run. Their install scripts are not needed: no dependency compiles anything.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-update-notifier

# ---- TypeScript to JavaScript, by the same settings as `npm run build`
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-update-notifier
COPY tsconfig.json tsconfig.build.json ./
COPY shared shared
COPY services services
COPY tools tools
RUN npm run build

# ---- what is shipped
FROM ${NODE_IMAGE}
# PID 1 gets no default action for a signal: until Node has its handlers, a SIGTERM would be lost. tini passes it on from the start.
RUN command -v tini >/dev/null \
 || (apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*)
# The only place that is written to. A named volume that is mounted here takes its owner over.
RUN mkdir /data && chown 1000:1000 /data
WORKDIR /app
COPY --chmod=755 tools/scripts/image/docker-entrypoint.sh /usr/local/bin/replicated-log
COPY package.json ./
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist/package.json dist/package.json
COPY --from=build /app/dist/tools/scripts/image/docker-healthcheck.js ./
COPY --from=build /app/dist/shared dist/shared
COPY --from=build /app/dist/services/node dist/services/node
COPY --from=build /app/dist/services/master dist/services/master
COPY --from=build /app/dist/services/secondary dist/services/secondary
COPY --from=build /app/dist/services/inspect dist/services/inspect
COPY --from=build /app/dist/services/begin dist/services/begin

# Inside a container loopback reaches nobody; what is published, and to whom, is for whoever starts it to say.
ENV NODE_ENV=production HTTP_HOST=0.0.0.0 DATA_DIR=/data
# By number, so that an orchestrator can see that it is not root. It is the base image's user `node`.
USER 1000:1000
VOLUME /data
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["node", "docker-healthcheck.js"]
ENTRYPOINT ["tini", "--", "replicated-log"]
CMD ["master"]

ARG REVISION=unknown
LABEL org.opencontainers.image.title="replicated-log" \
      org.opencontainers.image.description="A totally ordered, replicated log in front of RabbitMQ: a master or a secondary of it" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}"
