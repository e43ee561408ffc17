# mirror-server's image. Build: docker build -t mirror-server .
#
# It runs as the user who owns the mirror's folder, never as root: see docker-entrypoint.sh.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts ./scripts
COPY src ./src
RUN node scripts/bundle.js

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git openssh-client tini \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /mirror /certs /cache \
 && chown node:node /mirror /certs /cache
WORKDIR /app
# All libraries are in there: docs/decisions/0013-bundle.md
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY docker-entrypoint.sh /usr/local/bin/mirror-server
ENV NODE_ENV=production \
    MIRROR_DIR=/mirror \
    MIRROR_CERTS_DIR=/certs \
    MIRROR_CACHE_DIR=/cache \
    MIRROR_HOST=0.0.0.0 \
    MIRROR_PORT=80 \
    MIRROR_TLS_PORT=443
VOLUME ["/mirror", "/certs"]
EXPOSE 80 443
HEALTHCHECK --interval=5s --timeout=6s --start-period=20s --retries=3 CMD ["mirror-server", "health"]
ENTRYPOINT ["tini", "-g", "--", "mirror-server"]
CMD ["serve"]
