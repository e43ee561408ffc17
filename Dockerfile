# mirror-server's image. Build: docker build -t mirror-server .
#
# It runs as the user who owns the mirror's folder, never as root, and needs no capability once it does: see
# docker/mirror-server.sh. docker-bake.hcl builds the one that is published, for two architectures, on a pinned base.

ARG NODE_IMAGE=node:24-bookworm-slim

# What is built holds no machine code, so it is built once, whatever the image is for.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts ./scripts
COPY src ./src
RUN node scripts/bundle.js

FROM ${NODE_IMAGE}
# git's Perl is for what nobody does here (add -p, send-email, git svn), and its manual for nobody: a package of that name
# stands for them, so that apt installs git, and whoever builds upon this image can have the real ones.
COPY docker/without-perl.sh /tmp/without-perl.sh
RUN apt-get update \
 && sh /tmp/without-perl.sh \
 && apt-get install -y --no-install-recommends ca-certificates git openssh-client tini \
 && rm -rf /tmp/without-perl.sh /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    /usr/lib/git-core/git-daemon /usr/lib/git-core/git-http-backend /usr/lib/git-core/git-http-push \
    /usr/lib/git-core/git-imap-send /usr/lib/git-core/scalar /usr/bin/scalar \
 && mkdir -p /mirror /certs /cache \
 && chown node:node /mirror /certs /cache \
 && chmod 1777 /mirror /certs /cache
WORKDIR /app
# All libraries are in there: docs/decisions/0013-bundle.md
COPY --from=build /app/dist ./dist
COPY package.json LICENSE SECURITY.md CHANGELOG.md ./
COPY docs ./docs
COPY docker/mirror-server.sh /usr/local/bin/mirror-server
COPY docker/entrypoint.sh docker/health.sh /usr/local/lib/mirror-server/
ENV NODE_ENV=production \
    MIRROR_DIR=/mirror \
    MIRROR_CERTS_DIR=/certs \
    MIRROR_CACHE_DIR=/cache \
    MIRROR_HOST=0.0.0.0 \
    MIRROR_PORT=80 \
    MIRROR_TLS_PORT=443
VOLUME ["/mirror", "/certs"]
EXPOSE 80 443
HEALTHCHECK --interval=2s --timeout=8s --start-period=20s --retries=5 CMD ["/usr/local/lib/mirror-server/health.sh"]
ENTRYPOINT ["tini", "-g", "--", "/usr/local/lib/mirror-server/entrypoint.sh"]
CMD ["serve"]
ARG VERSION=0.0.0-local
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="mirror-server" \
      org.opencontainers.image.description="A verified offline mirror for Elixir and Erlang dependencies" \
      org.opencontainers.image.source="https://github.com/mirror-server/mirror-server" \
      org.opencontainers.image.documentation="https://github.com/mirror-server/mirror-server#readme" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim"
