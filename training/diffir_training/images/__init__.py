"""Training images of every kind, read lazily: planes, pairs, windows and batches."""

from diffir_training.images._fields import RepeatedField, fields_of
from diffir_training.images._files import is_image
from diffir_training.images._opening import FileCache
from diffir_training.images._partners import Partners, partners_by_name
from diffir_training.images.agreement_checks import check_agreement
from diffir_training.images.checks import (
    check_channels,
    check_fits,
    check_measured,
    check_some_fit,
    check_some_structure,
)
from diffir_training.images.clean_planes import CleanPlane, open_clean
from diffir_training.images.configs import (
    CleanImages,
    CleanSource,
    DrawnSource,
    PairedImages,
    RepeatedFrames,
    TrainingImages,
    Variety,
)
from diffir_training.images.inventory import Inventory, difference, inventory_of
from diffir_training.images.pairs import (
    PairSource,
    PlanePair,
    open_pairs,
    pairs_of_planes,
)
from diffir_training.images.planes import (
    ImagePlane,
    MeanPlane,
    array_planes,
    open_planes,
)
from diffir_training.images.sampling import (
    ForegroundSampler,
    Spot,
    Window,
    flipped,
    read_pair,
)
from diffir_training.images.splitting import Groups, HeldBack, split, split_groups
from diffir_training.images.survey import Foreground, Survey, survey_planes

__all__ = [
    "CleanImages",
    "CleanPlane",
    "CleanSource",
    "DrawnSource",
    "FileCache",
    "Foreground",
    "ForegroundSampler",
    "Groups",
    "HeldBack",
    "ImagePlane",
    "Inventory",
    "MeanPlane",
    "PairSource",
    "PairedImages",
    "Partners",
    "PlanePair",
    "RepeatedField",
    "RepeatedFrames",
    "Spot",
    "Survey",
    "TrainingImages",
    "Variety",
    "Window",
    "array_planes",
    "check_agreement",
    "check_channels",
    "check_fits",
    "check_measured",
    "check_some_fit",
    "check_some_structure",
    "difference",
    "fields_of",
    "flipped",
    "inventory_of",
    "is_image",
    "open_clean",
    "open_pairs",
    "open_planes",
    "pairs_of_planes",
    "partners_by_name",
    "read_pair",
    "split",
    "split_groups",
    "survey_planes",
]
