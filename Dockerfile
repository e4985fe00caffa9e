# syntax=docker/dockerfile:1
# The gateway as a container: `docker build -t airside .`, then
#   docker run --read-only --tmpfs /tmp -p 50051:50051 -e AIRSIDE_FLIGHT__ADDR=0.0.0.0:50051 -e AIRSIDE_AUDIT__TO=stdout -v ./config:/etc/airside:ro airside
# Without TLS the gateway listens on loopback only: configure [tls], or tell it in so many words.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin airside \
    && install -D --strip target/release/airside /out/airside

FROM debian:bookworm-slim
# Certificates of the object stores and identity providers it calls.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 65532 --no-create-home --shell /usr/sbin/nologin airside
COPY --from=build /out/airside /usr/local/bin/airside
COPY LICENSE /usr/share/doc/airside/LICENSE
USER 65532:65532
EXPOSE 50051 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["airside", "healthcheck", "--http", "http://127.0.0.1:8080"]
# SIGTERM drains: leave it the time the configuration grants.
STOPSIGNAL SIGTERM
ENTRYPOINT ["airside"]
CMD ["serve", "--config", "/etc/airside/airside.toml"]
