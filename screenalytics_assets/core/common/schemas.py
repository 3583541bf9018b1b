"""Schemas of the tables that the stages exchange. Boxes and landmarks are normalised to the frame, 0 to 1."""

import pyarrow as pa

_BBOX = pa.list_(pa.float32(), 4)
_POINT = pa.list_(pa.float32(), 2)
_LANDMARKS = pa.list_(_POINT, 5)


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SHOTS = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("shot_idx", pa.int32()),
        _required("start_frame", pa.int32()),
        _required("end_frame", pa.int32()),  # inclusive
        _required("start_s", pa.float64()),
        _required("end_s", pa.float64()),  # end of the last frame
    ]
)

ANALYSED_FRAMES = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("frame_idx", pa.int32()),
        _required("ts_s", pa.float64()),
        _required("shot_idx", pa.int32()),
    ]
)

DETECTIONS = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("detection_id", pa.string()),
        _required("frame_idx", pa.int32()),
        _required("ts_s", pa.float64()),
        _required("shot_idx", pa.int32()),
        _required("bbox", _BBOX),
        _required("landmarks", _LANDMARKS),
        _required("confidence", pa.float32()),
        _required("face_px", pa.float32()),
        _required("sharpness", pa.float32()),
        pa.field("yaw", pa.float32()),  # null if the landmarks give no pose
        pa.field("pitch", pa.float32()),
        pa.field("roll", pa.float32()),
        _required("inside_fraction", pa.float32()),  # of the aligned crop inside the frame
        _required("quality_score", pa.float32()),
    ]
)

# Candidates without an embedding, from boxes of the detector to sampled crops, each with a reason.
CROPS_DEBUG = pa.schema(
    [
        _required("ep_id", pa.string()),
        pa.field("track_id", pa.string()),
        pa.field("detection_id", pa.string()),
        _required("frame_idx", pa.int32()),
        _required("ts_s", pa.float64()),
        _required("bbox", _BBOX),
        _required("status", pa.string()),
        _required("reason", pa.string()),
        pa.field("confidence", pa.float32()),
        pa.field("face_px", pa.float32()),
        pa.field("sharpness", pa.float32()),
        pa.field("yaw", pa.float32()),
        pa.field("pitch", pa.float32()),
        pa.field("inside_fraction", pa.float32()),
        pa.field("quality_score", pa.float32()),
    ]
)

FACE_CROPS = pa.schema([_required("detection_id", pa.string()), _required("jpeg", pa.binary())])

_TRACK_BOX = pa.struct(
    [
        _required("detection_id", pa.string()),
        _required("frame_idx", pa.int32()),
        _required("ts_s", pa.float64()),
        _required("bbox", _BBOX),
    ]
)

TRACKS = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("track_id", pa.string()),
        _required("start_s", pa.float64()),
        _required("end_s", pa.float64()),
        _required("start_frame", pa.int32()),
        _required("end_frame", pa.int32()),
        _required("shot_idx", pa.int32()),
        _required("num_detections", pa.int32()),
        _required("mean_confidence", pa.float32()),
        pa.field("split_reason", pa.string()),
        _required("boxes", pa.list_(_TRACK_BOX)),
    ]
)

# Where the cleanup split a track: the first detection of the new track, and both tracks.
CUTS = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("track_id", pa.string()),
        _required("new_track_id", pa.string()),
        _required("detection_id", pa.string()),
        _required("ts_s", pa.float64()),
        _required("reason", pa.string()),
    ]
)

UNTRACKED = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("detection_id", pa.string()),
        _required("frame_idx", pa.int32()),
        _required("ts_s", pa.float64()),
        _required("reason", pa.string()),
    ]
)

# Detections embedded for the appearance split; row i belongs to row i of gate.npy.
SPLIT_EMBEDDINGS = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("detection_id", pa.string()),
        _required("model_digest", pa.string()),
    ]
)

FACES = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("face_id", pa.string()),
        _required("track_id", pa.string()),
        _required("detection_id", pa.string()),
        _required("frame_idx", pa.int32()),
        _required("ts_s", pa.float64()),
        _required("bbox", _BBOX),
        _required("landmarks", _LANDMARKS),
        _required("quality_score", pa.float32()),
        _required("quality_rank", pa.int32()),  # 1 is the best of its track
        pa.field("crop_path", pa.string()),  # null if crops are not saved as files
        _required("model_digest", pa.string()),
    ]
)

# Boxes of each identity, about one per half second of its tracks: they keep its id when identities are recomputed.
IDENTITY_BOXES = pa.schema(
    [
        _required("ep_id", pa.string()),
        _required("identity_id", pa.string()),
        _required("ts_s", pa.float64()),
        _required("bbox", _BBOX),
    ]
)

CLOCK_TOLERANCE_S = 0.002
"""Accuracy of differences of ``ts_s``: containers may round to milliseconds, and floats add rounding errors."""

EMBEDDING_DIMENSION = 512
EMBEDDING_NORM_TOLERANCE = 1e-3
"""Maximum deviation of the norm of an embedding from 1."""
