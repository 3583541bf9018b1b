"""What is expensive or outside: models, video, storage. One module a resource."""

import os

# ONNX Runtime reads this while it is imported. Nothing about a run over people's faces leaves the machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
