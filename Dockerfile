# The page in an image of its own, for processors:
#   docker build -t nucleoscope .
#   docker run --rm -p 7860:7860 --read-only --tmpfs /tmp nucleoscope [options of app.py]

FROM python:3.11-slim AS packages
WORKDIR /build
COPY requirements.txt segmentation/app_requirements.py ./
RUN python app_requirements.py requirements.txt > app.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r app.txt \
    && /venv/bin/pip uninstall --yes --disable-pip-version-check pip
# A third of a gigabyte that nothing here runs: the libraries' own tests, and what C++ programs are built with.
WORKDIR /venv/lib/python3.11/site-packages
RUN find scipy pandas sympy networkx -type d -name tests -prune -exec rm -r {} + \
    && rm -r torch/test torch/include torch/bin/test_* torch/bin/protoc*

FROM python:3.11-slim
RUN useradd --uid 1000 --create-home nucleoscope
WORKDIR /app
COPY --from=packages /venv /venv
# What changes least comes first, so that a rebuild sends little.
COPY LICENSE ./
COPY checkpoints ./checkpoints
COPY segmentation ./segmentation
COPY ui ./ui
COPY app.py ./
# The image is read-only to the user below, who could not keep what Python compiles.
RUN /venv/bin/python -m compileall -q segmentation ui app.py
# Uploads and models from the Hub go to /tmp; mount a volume there, or set HF_HOME, to keep models.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    HF_HOME=/tmp/huggingface
USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"GRADIO_SERVER_PORT\"]}/healthz', timeout=8)"]
ENTRYPOINT ["python", "app.py"]
