# The explorer, for a root file system that cannot be written:
#   docker build -t wsis .
#   docker run --rm -p 7860:7860 --read-only --tmpfs /tmp:size=4g --cap-drop ALL --security-opt no-new-privileges \
#       --memory 8g --pids-limit 512 wsis
# `make container-check` runs these steps where there is no container engine.

# Pin it to what you have checked: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# PyTorch's CPU build; leave it empty for the default build with CUDA: --build-arg TORCH_INDEX=
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# The user owns nothing: /tmp is the one place that it writes to, and its home.
RUN useradd --no-create-home --home-dir /tmp --shell /usr/sbin/nologin --uid 10001 --user-group wsis
WORKDIR /app

COPY requirements.txt ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} -r requirements.txt

# They stay root's, so that who runs them cannot change them; whatever the modes in your folder, all can read them.
COPY app.py LICENSE README.md ./
COPY assets/examples assets/examples
COPY checkpoints/imagenet-lite checkpoints/imagenet-lite
COPY checkpoints/voc-lite checkpoints/voc-lite
COPY wsis wsis
RUN chmod -R u=rwX,go=rX .

USER 10001:10001
# Uploads and downloads lie in /tmp by themselves; caches of matplotlib, the hub and the tuning tab below HOME.
ENV HOME=/tmp \
    GRADIO_ANALYTICS_ENABLED=False \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health', timeout=5)"]
CMD ["python", "app.py", "--host", "0.0.0.0", "--port", "7860"]
