# Build: compilers for the native module of SQLite, then only what runs. Plain npm calls; see scripts/build.mjs.
FROM node:20-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /tsela
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY profiles profiles
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:20-slim
WORKDIR /tsela
COPY --from=build /tsela/package.json ./
COPY --from=build /tsela/node_modules node_modules
COPY --from=build /tsela/dist dist
COPY --from=build /tsela/profiles profiles
COPY LICENSE ./
RUN install -d -o node -g node /data
USER node
ENV TSELA_DATA=/data TSELA_HOST=0.0.0.0
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "const tls = process.env.TSELA_TLS_CERT; if (tls) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; fetch((tls ? 'https' : 'http') + '://127.0.0.1:' + (process.env.TSELA_PORT || 8080) + '/health/ready').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No npm in between: signals reach the server, and it finishes what it accepted.
CMD ["node", "dist/cli.js", "start"]
