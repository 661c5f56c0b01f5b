# The chat (docs/deploy.md). Without arguments it asks for a password and wants the users' file; `--no-auth` leaves it open.
FROM python:3.11-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
# PyPI's torch brings 3 GB of CUDA; the one from here is for CPUs. Another index: --build-arg TORCH_INDEX=…
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt /tmp/
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    set -- /wheels/*.whl \
    && pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c /tmp/constraints.txt "$1[app,serve]"

RUN useradd --uid 10001 --create-home clinalign && install --directory --owner clinalign /data /var/cache/clinalign
WORKDIR /srv/clinalign
COPY app.py ./
COPY examples/ examples/
USER 10001
# The page is behind a port of this machine or a proxy, whose word for https it takes.
ENV CLINALIGN_CACHE=/var/cache/clinalign XDG_DATA_HOME=/data FORWARDED_ALLOW_IPS=* HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
# Makes what the first start would make (the embedding model, the index), and fails the build if the image can't answer.
RUN clinalign revise --file examples/chest_pressure.json >/dev/null

EXPOSE 7860
# What is kept: conversations and the index. The keys of models come from the environment of the container alone.
VOLUME /data
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 7860, timeout=4); c.request('GET', '/health'); exit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "app.py", "--host", "0.0.0.0", "--port", "7860"]
CMD ["--auth", "/run/secrets/users"]
