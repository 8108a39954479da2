"""Training images of every kind, read lazily: planes, pairs, windows and batches."""

from diffir_training.images._opening import FileCache
from diffir_training.images.configs import (
    CleanImages,
    CleanSource,
    PairedImages,
    RepeatedFrames,
    TrainingImages,
)
from diffir_training.images.pairs import (
    CleanPlane,
    PairSource,
    PlanePair,
    open_clean,
    open_pairs,
    pairs_of_planes,
)
from diffir_training.images.planes import (
    ImagePlane,
    MeanPlane,
    array_planes,
    open_planes,
)
from diffir_training.images.prefetch import Prefetcher
from diffir_training.images.sampling import (
    ForegroundSampler,
    Spot,
    Window,
    flipped,
    pair_batch,
    read_pair,
)
from diffir_training.images.splitting import split
from diffir_training.images.survey import Foreground, Survey, survey_planes

__all__ = [
    "CleanImages",
    "CleanPlane",
    "CleanSource",
    "FileCache",
    "Foreground",
    "ForegroundSampler",
    "ImagePlane",
    "MeanPlane",
    "PairSource",
    "PairedImages",
    "PlanePair",
    "Prefetcher",
    "RepeatedFrames",
    "Spot",
    "Survey",
    "TrainingImages",
    "Window",
    "array_planes",
    "flipped",
    "open_clean",
    "open_pairs",
    "open_planes",
    "pair_batch",
    "pairs_of_planes",
    "read_pair",
    "split",
    "survey_planes",
]
