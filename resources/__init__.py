"""What is expensive or external: models, videos, storage, the database. The modules here are the Dagster resources."""

import os

# ONNX Runtime reads this on import. Nothing about a run over people's faces may leave the machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
