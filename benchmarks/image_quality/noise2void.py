"""Noise2Void (Krull et al., CVPR 2019), trained on each image anew, by CAREamics.

The U-Net and all settings are CAREamics' own; only the length of the training is fixed,
so that an image costs minutes on a CPU. It learns from the image that it then denoises.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory

import numpy as np

from image_quality.pairs import Image

PATCH_PX, BATCH = 64, 16
EPOCHS = 100


def noise2void(noisy: Image) -> Image:
    """Train on an image (y, x) of any type, and denoise it: float64."""
    from careamics import CAREamist
    from careamics.config.factories import create_advanced_n2v_config

    config = create_advanced_n2v_config(
        experiment_name="noise2void",
        data_type="array",
        axes="YX",
        patch_size=[PATCH_PX, PATCH_PX],
        batch_size=BATCH,
        num_epochs=EPOCHS,
        num_workers=0,
        seed=1,
    )
    values = noisy.astype(np.float32)
    with TemporaryDirectory() as folder:
        careamist = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        careamist.train(train_data=values)
        restored, _ = careamist.predict(values)
    return np.asarray(restored[0], np.float64).reshape(noisy.shape)
