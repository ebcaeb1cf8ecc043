# What nvcr.io/nvidia/tritonserver is to the serve target, where there is no registry: the same program from PyPI's
# nvidia-pytriton, at the same place. The context is loc3r.services.triton's folder.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY nvidia_pytriton.libs /opt/tritonserver/lib
COPY pytriton/tritonserver/bin /opt/tritonserver/bin
COPY backends-3.11 /opt/tritonserver/backends
ENV PATH=/opt/tritonserver/bin:$PATH LD_LIBRARY_PATH=/opt/tritonserver/lib
