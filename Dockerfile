# syntax=docker/dockerfile:1
# The Rust of the build is the `rust-version` of Cargo.toml; a test compares the two.
ARG BUILDER=rust:1.95-bookworm
# Certificates and time zones; no libc, no shell and no package manager. The binary is static.
ARG RUNTIME=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /build

# The dependencies alone, with an empty program in our place: this layer is built again
# only when Cargo.toml or Cargo.lock change.
COPY .ci/build .ci/build
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests benches \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs tests/main.rs \
 && sed -n '/^\[\[bench\]\]/,/^name/s/^name = "\(.*\)"/benches\/\1.rs/p' Cargo.toml | xargs touch \
 && .ci/build

# The sources keep the times of the checkout, which may be older than the empty program;
# without the touch cargo would ship that.
COPY src ./src
COPY assets ./assets
RUN touch src/main.rs src/lib.rs \
 && mkdir -p /image/data /image/site \
 && .ci/build /image/usr/local/bin/vitrine

# The program alone, for `docker buildx build --target binary --output dist .`
FROM scratch AS binary
COPY --from=build /image/usr/local/bin/vitrine /

FROM ${RUNTIME}
# Which commit this is: .ci/image says so.
ARG VERSION=""
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="vitrine" \
      org.opencontainers.image.description="Serves a person's CV from one binary and watches itself" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

COPY --from=build /image/usr /usr
# A new named volume takes over the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /image/data /data
COPY --from=build /image/site /site

# By number, so that a policy against root can check it.
USER 65532:65532
ENV VITRINE_DATA=/data VITRINE_SITE=/site
# Where vitrine.toml is looked for: beside the CV.
WORKDIR /site
VOLUME ["/data"]
EXPOSE 2727
STOPSIGNAL SIGTERM
# The binary asks itself: the image has no shell and no curl. No --start-interval, which
# engines before 25 refuse to build, Debian 12's among them; so the pace itself is brisk: a
# deploy gives a new container ten seconds.
HEALTHCHECK --interval=2s --timeout=2s --retries=8 --start-period=10s \
    CMD ["/usr/local/bin/vitrine", "health"]
ENTRYPOINT ["/usr/local/bin/vitrine"]
CMD ["serve"]
