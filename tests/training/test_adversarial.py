"""Discriminators, adversarial and perceptual losses, and the stages made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffir_training.adversarial_stages import (
    AdversarialStage,
    DiscriminatingStage,
    InpaintingStage,
)
from diffir_training.batches import Batch
from diffir_training.discriminators import PatchDiscriminator, UNetDiscriminator
from diffir_training.losses import (
    adversarial_fake,
    adversarial_real,
    feature_matching,
    r1_penalty,
)
from diffir_training.perceptual import ResNetLoss, VGGLoss
from diffir_training.stages import GroundTruthStage, JointStage, stage_two_from
from networks import random_network
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from diffir_core.errors import InputError

INPAINTING = dict(architecture="inpainting", in_channels=2, num_refinement_blocks=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int = 0) -> Tensor:
    """Diffusion noise for two images."""
    return torch.randn(2, 256, generator=seeded(seed))


def built(make: Callable[[], Any], seed: int = 0) -> Any:
    """A module with weights of a seed, without touching the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


@pytest.fixture
def batch() -> Batch:
    clean = torch.rand(2, 1, 32, 32, generator=seeded())
    clean = F.avg_pool2d(clean, 5, 1, 2)
    noise = 0.2 * torch.randn(clean.shape, generator=seeded(1))
    return Batch(clean + noise, clean)


@pytest.fixture
def masked(batch: Batch) -> Batch:
    mask = torch.zeros_like(batch.clean)
    mask[..., 8:24, :16] = 1
    return Batch(torch.cat([batch.clean * (1 - mask), mask], dim=1), batch.clean)


def adversarial_stage(perceptual: VGGLoss | None = None) -> AdversarialStage:
    teacher = random_network(1)
    network = built(lambda: stage_two_from(teacher, teacher.config))
    discriminator = built(lambda: UNetDiscriminator(1, 8))
    return AdversarialStage(JointStage(teacher, network), discriminator, perceptual)


def inpainting_stage(stage: int, perceptual: Any = None) -> InpaintingStage:
    teacher = random_network(1, **INPAINTING)
    plain: Any = GroundTruthStage(teacher)
    if stage == 2:
        plain = JointStage(
            teacher, built(lambda: stage_two_from(teacher, teacher.config))
        )
    discriminator = built(lambda: PatchDiscriminator(1, 8, 2))
    return InpaintingStage(plain, discriminator, perceptual)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_gets_a_logit_from_the_u_net(channels: int) -> None:
    discriminator = built(lambda: UNetDiscriminator(channels, 4))
    image = torch.rand(2, channels, 24, 40, generator=seeded())
    assert discriminator(image).shape == (2, 1, 24, 40)
    for wrong in (image[..., :20, :], image[:, :1].repeat(1, 2, 1, 1)):
        with pytest.raises(InputError, match="multiples of 8"):
            discriminator(wrong)


def test_the_discriminators_have_the_official_sizes() -> None:
    unet, patch = built(UNetDiscriminator), built(PatchDiscriminator)
    assert sum(p.numel() for p in unet.parameters()) == 4_376_897  # Real-ESRGAN's.
    # 4 x 4 kernels with biases; scale and shift of the four batch norms.
    widths = [3, 64, 128, 256, 512, 512, 1]
    convs = sum(16 * a * b + b for a, b in pairwise(widths))
    assert sum(p.numel() for p in patch.parameters()) == convs + 2 * sum(widths[2:6])
    keys = unet.state_dict().keys()
    assert {"conv0.weight", "conv1.weight_orig", "conv8.weight_u", "conv9.bias"} <= keys


def test_patches_get_logits_and_all_features_are_given() -> None:
    discriminator = built(lambda: PatchDiscriminator(1, 4, 4))
    logits, features = discriminator(torch.rand(2, 1, 64, 64, generator=seeded()))
    assert logits.shape == (2, 1, 7, 7)
    assert [tuple(f.shape[1:]) for f in features] == [
        (4, 33, 33),
        (8, 17, 17),
        (16, 9, 9),
        (32, 5, 5),
        (64, 6, 6),
    ]


def test_spectral_norm_bounds_the_largest_singular_value() -> None:
    discriminator = built(lambda: UNetDiscriminator(1, 8))
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.mul_(7)
        for _ in range(60):
            discriminator(torch.rand(1, 1, 16, 16, generator=seeded()))
    for i in range(1, 9):
        weight = discriminator.get_submodule(f"conv{i}").weight.detach().flatten(1)
        largest = torch.linalg.svdvals(weight)[0].item()
        assert largest == pytest.approx(1, abs=0.02), i


def test_cross_entropy_is_that_of_the_definition() -> None:
    logits = torch.linspace(-3, 3, 24).view(2, 1, 3, 4)
    probability = torch.sigmoid(logits)
    torch.testing.assert_close(adversarial_real(logits), -probability.log().mean())
    torch.testing.assert_close(
        adversarial_fake(logits), -(1 - probability).log().mean()
    )
    assert adversarial_real(torch.zeros(3)).item() == pytest.approx(math.log(2))


def test_known_pixels_of_a_fake_count_as_real() -> None:
    logits = torch.tensor([[[[2.0, -1.0]]]])
    holes = torch.zeros(1, 1, 4, 8)
    holes[..., 4:] = 1  # The right logit lies in a hole, the left one does not.
    softplus = [math.log1p(math.exp(-2.0)), math.log1p(math.exp(-1.0))]
    expected = sum(softplus) / 2
    assert adversarial_fake(logits, holes).item() == pytest.approx(expected)
    assert adversarial_fake(logits).item() > expected


def test_r1_of_a_linear_discriminator_is_its_squared_weight_norm() -> None:
    weight = torch.randn(3, 5, 5, generator=seeded(), requires_grad=True)
    images = torch.rand(4, 3, 5, 5, generator=seeded(1)).requires_grad_()
    penalty = r1_penalty((images * weight).sum((1, 2, 3)), images, weight=0.5)
    torch.testing.assert_close(penalty, 0.5 * weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, weight.detach())  # d (w^2 / 2) / dw = w


def test_feature_matching_is_a_mean_over_features() -> None:
    real = [torch.zeros(2, 3), torch.zeros(1, 4, 2, 2)]
    assert feature_matching(real, real).item() == 0
    fake = [torch.full((2, 3), 2.0), torch.full((1, 4, 2, 2), -4.0)]
    assert feature_matching(fake, real, weight=10).item() == pytest.approx(30)
    squared = feature_matching(fake, real, weight=10, distance=F.mse_loss)
    assert squared.item() == pytest.approx(100)


@pytest.mark.parametrize("kind", ["unet", "patch"])
def test_a_discriminator_learns_to_tell_two_distributions(kind: str) -> None:
    make = dict(unet=lambda: UNetDiscriminator(1, 8), patch=lambda: Patch(1, 8, 2))
    discriminator = built(make[kind])
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-3)
    for i in range(40):
        real, fake = smooth_and_rough(i)
        optimizer.zero_grad()
        loss = adversarial_real(discriminator(real))
        (loss + adversarial_fake(discriminator(fake))).backward()
        optimizer.step()
    discriminator.eval()
    real, fake = smooth_and_rough(1000)
    with torch.no_grad():
        judged = [discriminator(side).mean((1, 2, 3)) for side in (real, fake)]
    right = torch.cat([judged[0] > 0, judged[1] < 0]).float().mean()
    assert right > 0.9


class Patch(PatchDiscriminator):
    """Gives logits alone."""

    def forward(self, image: Tensor) -> Any:
        return super().forward(image)[0]


def smooth_and_rough(seed: int) -> tuple[Tensor, Tensor]:
    """Images of equal mean and variance that differ in their spectrum alone."""
    rough = torch.randn(4, 2, 1, 32, 32, generator=seeded(seed))
    smooth = F.avg_pool2d(rough[:, 0], 3, 1, 1) * 3
    return smooth, rough[:, 1]


@pytest.mark.parametrize("name", ["adversarial", "inpainting 1", "inpainting 2"])
def test_both_sides_learn_and_neither_moves_the_other(
    name: str, batch: Batch, masked: Batch
) -> None:
    stage: Any = adversarial_stage()
    if name != "adversarial":
        stage, batch = inpainting_stage(int(name[-1])), masked
    teacher = getattr(stage.plain, "teacher", nn.Identity())
    before = [p.clone() for p in teacher.parameters()]
    optimizers = [
        torch.optim.Adam(stage.parameters(), lr=1e-3),
        torch.optim.Adam(stage.discriminator_parameters(), lr=1e-4),
    ]
    losses = []
    for _ in range(12):
        for side, optimizer in zip(
            (stage.loss, stage.discriminator_loss), optimizers, strict=True
        ):
            stage.network.zero_grad()
            stage.discriminator.zero_grad()
            loss = side(batch, drawn(3))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            moved = [has_gradient(stage.network), has_gradient(stage.discriminator)]
            assert moved == [side == stage.loss, side != stage.loss]
    assert losses[-2] < 0.95 * losses[0]  # The generator's, against a moving opponent.
    assert losses[-1] < losses[1]
    assert not has_gradient(teacher)
    assert all(map(torch.equal, before, teacher.parameters()))


def has_gradient(module: nn.Module) -> bool:
    return any(p.grad is not None for p in module.parameters())


def test_the_generator_runs_once_in_a_step(batch: Batch) -> None:
    stage: DiscriminatingStage = adversarial_stage()
    calls = []
    stage.network.G.register_forward_hook(lambda *_: calls.append(1))
    stage.loss(batch, drawn())
    reused = stage.discriminator_loss(batch, drawn(99))
    assert len(calls) == 1
    assert not reused.isnan()
    stage.discriminator_loss(Batch(batch.noisy, batch.clean), drawn())
    assert len(calls) == 2


def test_the_loss_is_the_weighted_sum_of_its_terms(masked: Batch) -> None:
    stage = inpainting_stage(2, SquaredDistance())
    stage.discriminator.eval()  # Its batch norms shall not change in between.
    values = stage.values(masked, drawn())
    assert set(values) == set(stage.terms())
    total = stage.loss(masked, drawn())
    torch.testing.assert_close(total, torch.stack([*values.values()]).sum())
    restored, distillation = stage.plain.restore(masked, drawn())
    known = (restored - masked.clean).abs() * (1 - masked.noisy[:, -1:])
    torch.testing.assert_close(values["known"], 10 * known.mean())
    torch.testing.assert_close(values["distillation"], distillation)
    distance = (restored - masked.clean).square().mean()
    torch.testing.assert_close(values["perceptual"], 30 * distance)


class SquaredDistance(nn.Module):
    """Stands for a perceptual network."""

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        return (restored - target).square().mean()


def test_a_term_without_weights_is_absent() -> None:
    assert adversarial_stage().terms() == ("pixel", "adversarial", "distillation")
    assert "perceptual" in adversarial_stage(VGGLoss(2)).terms()
    plain = ("known", "adversarial", "feature_matching")
    assert inpainting_stage(1).terms() == plain
    assert inpainting_stage(2).terms() == (*plain, "distillation")


def test_inpainting_refuses_a_network_without_a_mask() -> None:
    plain = GroundTruthStage(random_network(1))
    with pytest.raises(InputError, match="'inpainting', not 'deblur'"):
        InpaintingStage(plain, PatchDiscriminator(1, 4, 2))


def vgg_file(folder: Path, suffix: str = ".pth", width: int = 4) -> Path:
    """Random weights of VGG19 in torchvision's layout, with its classifier."""
    places = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    factors = (1, 1, 2, 2, 4, 4, 4, 4, *[8] * 8)
    state, inputs = {"classifier.0.weight": torch.zeros(2, 2)}, 3
    for i, factor in zip(places, factors, strict=True):
        scale = (2 / (9 * inputs)) ** 0.5
        weight = torch.randn(width * factor, inputs, 3, 3, generator=seeded(i))
        state[f"features.{i}.weight"] = scale * weight
        state[f"features.{i}.bias"] = torch.zeros(width * factor)
        inputs = width * factor
    return saved(state, folder / f"vgg19{suffix}")


def resnet_file(folder: Path, suffix: str = ".pth", *, deep: bool = False) -> Path:
    """Random weights of a narrow ResNet50 in torchvision's layout."""
    state: dict[str, Tensor] = {"fc.weight": torch.zeros(2, 2)}

    def add(conv: str, norm: str, outputs: int, inputs: int, size: int) -> None:
        shape = (outputs, inputs, size, size)
        weight = torch.randn(shape, generator=seeded(len(state)))
        state[f"{conv}.weight"] = weight * (2 / (inputs * size**2)) ** 0.5
        for name, value in (("weight", 1), ("bias", 0), ("running_var", 1)):
            state[f"{norm}.{name}"] = torch.full((outputs,), float(value))
        state[f"{norm}.running_mean"] = torch.zeros(outputs)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    add("conv1", "bn1", 2, 3, 3 if deep else 7)
    inputs = 2
    if deep:
        add("conv2", "bn2", 2, 2, 3)
        add("conv3", "bn3", 4, 2, 3)
        inputs = 4
    for i, blocks in enumerate((3, 4, 6, 3)):
        inner = 2 << i
        for j in range(blocks):
            name = f"layer{i + 1}.{j}"
            add(f"{name}.conv1", f"{name}.bn1", inner, inputs, 1)
            add(f"{name}.conv2", f"{name}.bn2", inner, inner, 3)
            add(f"{name}.conv3", f"{name}.bn3", 4 * inner, inner, 1)
            if j == 0:
                down = f"{name}.downsample"
                add(f"{down}.0", f"{down}.1", 4 * inner, inputs, 1)
            inputs = 4 * inner
    return saved(state, folder / f"resnet50{suffix}")


def saved(state: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def without(path: Path, key: str) -> Path:
    state = torch.load(path, weights_only=True)
    del state[key]
    return saved(state, path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", ["vgg", "resnet", "deep resnet"])
def test_perceptual_distance_is_zero_for_equals_and_grows_with_blur(
    kind: str, suffix: str, tmp_path: Path
) -> None:
    loss: VGGLoss | ResNetLoss
    if kind == "vgg":
        loss = VGGLoss.from_file(vgg_file(tmp_path, suffix))
    else:
        deep = kind == "deep resnet"
        loss = ResNetLoss.from_file(resnet_file(tmp_path, suffix, deep=deep))
    sharp = torch.rand(1, 1, 48, 48, generator=seeded()).requires_grad_()
    assert loss(sharp, sharp).item() == 0
    blurred = [F.avg_pool2d(sharp, k, 1, k // 2) for k in (3, 7)]
    near, far = (loss(image, sharp) for image in blurred)
    assert 0 < near.item() < far.item()
    near.backward()
    assert sharp.grad is not None
    assert not any(p.requires_grad or p.grad is not None for p in loss.parameters())
    colour = blurred[0].expand(-1, 3, -1, -1)
    assert loss(colour, sharp.expand(-1, 3, -1, -1)).item() == pytest.approx(
        near.item()
    )
    with pytest.raises(InputError, match="1 or 3 channels, not 2"):
        loss(sharp.expand(-1, 2, -1, -1), sharp)


def test_vgg_weighs_its_five_layers(tmp_path: Path) -> None:
    loss = VGGLoss.from_file(vgg_file(tmp_path))
    images = torch.rand(2, 1, 3, 32, 32, generator=seeded())
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = 0.0
    for place, weight in ((2, 0.1), (7, 0.1), (16, 1), (25, 1), (34, 1)):
        part = loss.features[: place + 1]  # Ends with a convolution: before its ReLU.
        ours, theirs = ((part((image - mean) / std)) for image in images)
        expected += weight * float((ours - theirs).abs().mean())
    assert loss(*images).item() == pytest.approx(expected, rel=1e-5)


def test_the_resnet_keeps_an_eighth_of_the_size(tmp_path: Path) -> None:
    loss = ResNetLoss.from_file(resnet_file(tmp_path))
    sizes: list[int] = []
    for i in range(1, 5):
        loss.get_submodule(f"layer{i}").register_forward_hook(
            lambda _, __, output: sizes.append(output.shape[-1])
        )
    loss(*torch.rand(2, 1, 3, 64, 64, generator=seeded()))
    assert sizes == [16, 8, 8, 8] * 2
    assert loss.get_submodule("layer3.0.conv2").dilation == (1, 1)
    assert loss.get_submodule("layer3.1.conv2").dilation == (2, 2)
    assert loss.get_submodule("layer4.2.conv2").dilation == (4, 4)


def test_a_wrong_weights_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    vgg, resnet = vgg_file(tmp_path), resnet_file(tmp_path)
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(vgg.read_bytes()[:1000])
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    deeper = torch.load(resnet, weights_only=True)
    deeper["layer3.6.conv1.weight"] = torch.zeros(1)
    saved(deeper, tmp_path / "resnet101.pth")
    cases: list[tuple[Any, Path, str]] = [
        (VGGLoss, resnet, r"lacks the tensor 'features\.0\.weight'"),
        (ResNetLoss, vgg, r"lacks the tensor 'conv1\.weight'"),
        (VGGLoss, tmp_path / "none.pth", "Cannot read"),
        (VGGLoss, tmp_path / "none.safetensors", "Cannot read"),
        (VGGLoss, damaged, "Cannot read"),
        (VGGLoss, tmp_path / "tensor.pth", "holds a Tensor"),
        (ResNetLoss, tmp_path / "resnet101.pth", r"layer3\.6\.conv1\.weight"),
        (VGGLoss, without(vgg, "features.16.weight"), r"'features\.16\.weight'"),
    ]
    for kind, path, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            kind.from_file(path)
        assert "\n" not in str(caught.value)


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "code.pth"
    torch.save({"features.0.weight": Dangerous()}, path)
    with pytest.raises(InputError, match="Cannot read"):
        VGGLoss.from_file(path)


class Dangerous:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code in a weights file was run",))
