# The images of spikeserve: cpu (the default), cuda, client. docs/deployment.md says how they are built and run.
#
# Arguments:
#   BASE      what is compiled and packed in: a Debian 12. `tools/image-base.sh` makes one of packages alone.
#   VERSION, REVISION  for the labels: what the file VERSION says, and the commit.
# These stages can be replaced, --build-context NAME=FOLDER, so that nothing is compiled or fetched:
#   server       spikeserve-server, compiled on a Debian 12
#   server-cuda  the same with the CUDA kernels
#   cublas       anything that has libcublas.so.13 and libcublasLt.so.13 somewhere, with NVIDIA's terms: also an image of
#                NVIDIA's, docker-image://NAME (buildah, podman: container-image://NAME)
#   wheels       the wheel of the client and all that it depends on
ARG BASE=debian:12-slim

# Debian's versions are the newest that are fixed, so none is pinned: what an image has is in its records.
FROM ${BASE} AS compiler
COPY tools/bootstrap.sh /source/tools/
RUN /source/tools/bootstrap.sh server
WORKDIR /source
COPY . .

FROM compiler AS compiled
RUN SPIKESERVE_CUDA=OFF tools/build.sh server \
    && mkdir /out && cp build/release/server/app/spikeserve-server /out/ \
    && python3 tools/third_party.py build/release server/app/spikeserve-server /out/third-party.txt \
    && gzip -9n /out/third-party.txt

FROM compiler AS compiled-cuda
RUN tools/cuda-toolkit.sh && tools/build.sh server \
    && mkdir /out && cp build/release/server/app/spikeserve-server /out/ \
    && python3 tools/third_party.py build/release server/app/spikeserve-server /out/third-party.txt \
    && gzip -9n /out/third-party.txt

FROM scratch AS server
COPY --from=compiled /out /

FROM scratch AS server-cuda
COPY --from=compiled-cuda /out /

FROM scratch AS cublas
COPY --from=compiled-cuda /source/build/cuda-toolkit/wheels /

# The libraries that the server asks for, in the versions of today.
FROM ${BASE} AS libraries
# hadolint ignore=DL3008
RUN apt-get update -q && apt-get upgrade -q -y \
    && apt-get install -q -y --no-install-recommends binutils ca-certificates patchelf \
        libgrpc++1.51 libhwy1 libprometheus-cpp-core1.0 libprotobuf32 libspdlog1.10 \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/image/pack.sh VERSION LICENSE /build/

FROM libraries AS packed
COPY --from=server / /build/server/
RUN /build/pack.sh /build/server /build/VERSION /out

FROM libraries AS packed-cuda
COPY --from=server-cuda / /build/server/
COPY --from=cublas / /build/cublas/
RUN mkdir /build/nvidia /build/terms \
    && find /build/cublas -name 'libcublas*.so.13' -exec cp -L '{}' /build/nvidia/ ';' \
    && find /build/cublas -ipath '*cublas*/license.txt' -exec cp '{}' /build/terms/ ';' \
    && find /build/cublas -maxdepth 1 -iname '*license*' -type f -exec cp '{}' /build/terms/ ';' \
    && LD_LIBRARY_PATH=/build/nvidia /build/pack.sh /build/server /build/VERSION /out /build/nvidia/libcublas*.so.13 \
    && cp -R /build/terms /out/usr/share/doc/cublas

# Every flag of the server has a variable; a flag that is given wins. The settings are those of cpu: had the two a stage
# in common, two builds would not be the same, as the number of that stage's image would be in them. NVIDIA_...: the
# parts of the driver that its container toolkit brings in, to compute (libcuda) and to count (NVML).
FROM scratch AS cuda
COPY --from=packed-cuda /out /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spikeserve with CUDA" \
      org.opencontainers.image.description="Serves spiking neural networks over gRPC and HTTP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV SPIKESERVE_NETWORK_REPOSITORY=/var/lib/spikeserve \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8000 8001 8002
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["/usr/bin/spikeserve-server", "--healthcheck", "127.0.0.1:8001"]
ENTRYPOINT ["/usr/bin/spikeserve-server"]

FROM ${BASE} AS python
# hadolint ignore=DL3008
RUN apt-get update -q && apt-get upgrade -q -y \
    && apt-get install -q -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/*.log

FROM python AS pip
# hadolint ignore=DL3008
RUN apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /pip

FROM pip AS wheelhouse
COPY . /source
RUN /pip/bin/pip wheel --no-cache-dir --wheel-dir /wheels /source/client/python

FROM scratch AS wheels
COPY --from=wheelhouse /wheels /

# Compiled with the hashes of the sources in place of their dates, which an image changes.
FROM pip AS installed
COPY --from=wheels / /wheels/
RUN python3 -m venv --without-pip /opt/spikeserve \
    && /pip/bin/pip --python /opt/spikeserve/bin/python install --no-cache-dir --no-compile --no-index --find-links /wheels spikeserve \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/spikeserve

FROM python AS client
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spikeserve client" \
      org.opencontainers.image.description="Converts networks for spikeserve and calls its servers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=installed /opt/spikeserve /opt/spikeserve
ENV PATH=/opt/spikeserve/bin:/usr/bin:/bin
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["spikeserve"]

FROM scratch AS cpu
COPY --from=packed /out /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spikeserve" \
      org.opencontainers.image.description="Serves spiking neural networks over gRPC and HTTP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV SPIKESERVE_NETWORK_REPOSITORY=/var/lib/spikeserve
EXPOSE 8000 8001 8002
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["/usr/bin/spikeserve-server", "--healthcheck", "127.0.0.1:8001"]
ENTRYPOINT ["/usr/bin/spikeserve-server"]
