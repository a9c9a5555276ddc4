# The course in a container, on the processor, as a user without rights. README.md says how to start it.
FROM python:3.12-slim-bookworm

# not root, and a home for the learner's notebooks, which a volume may replace
RUN useradd --uid 1000 --create-home --home-dir /learner learner \
    && install --directory --owner=learner /learner/mssnet-course
WORKDIR /course
COPY . .
RUN PIP_NO_CACHE_DIR=1 python tools/notebooks/install.py --here
USER 1000
EXPOSE 8888
CMD ["mssnet-edu", "lab", "--ip", "0.0.0.0", "--no-browser"]
