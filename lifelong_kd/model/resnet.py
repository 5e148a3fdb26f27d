"""Residual networks for small images: ResNet-32 of the CIFAR experiments and ResNet-18 with a 3x3 stem."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone, image_shape

__all__ = ["BasicBlock", "ResNet", "resnet18", "resnet32"]


def resnet32(
    input_shape: tuple[int, ...], *, width: int = 16, blocks: int = 5, last_relu: bool = True
) -> ResNet:
    """ResNet-32 for 32x32 images (He 2016): three stages of five blocks, 16-32-64 channels, 64 features.

    Paper: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (CVPR 2016, arXiv:1512.03385),
    section 4.2. Shortcuts are its option A and have no parameters: every second pixel, new channels zero.
    Convolutions are initialised after He et al. (2015, arXiv:1502.01852), normal, fan-out.

    Args:
        width: channels of the first stage; the features have four times as many entries.
        blocks: residual blocks of each of the three stages; n of them make the paper's ResNet-(6n+2): 3 is ResNet-20,
            1 ResNet-8.
        last_relu: whether the last block ends in a ReLU. LUCIR and PODNet distil features without it.

    Raises:
        BadCall: if the input is no image or smaller than 4x4, or the width or the number of blocks is below 1.

    >>> sum(p.numel() for p in resnet32((3, 32, 32)).parameters())
    463504
    """
    channels, _, _ = image_shape("resnet32", input_shape, smallest=4)
    if blocks < 1:
        raise BadCall(f"blocks must be at least 1, found {blocks}.")
    network = ResNet(channels, width, (blocks,) * 3, projection=False, last_relu=last_relu, kaiming=True)
    network.reset_parameters()
    return network


def resnet18(input_shape: tuple[int, ...], *, width: int = 64, last_relu: bool = True) -> ResNet:
    """ResNet-18 for 32x32 images: a 3x3 stem without pooling, four stages of two blocks, 512 features.

    The network that GEM (Lopez-Paz and Ranzato 2017, arXiv:1706.08840, with ``width=20``) introduced to continual
    learning and DER (Buzzega et al. 2020, arXiv:2004.07211, with ``width=64``) trains from scratch. Shortcuts that
    change shape are 1x1 convolutions (option B of He 2016); initialised as torch does by default, as in their code.

    Args:
        width: channels of the first stage; the features have eight times as many entries.
        last_relu: whether the last block ends in a ReLU. LUCIR and PODNet distil features without it.

    Raises:
        BadCall: if the input is no image or smaller than 8x8, or the width is below 1.

    >>> sum(p.numel() for p in resnet18((3, 32, 32)).parameters())
    11168832
    """
    channels, _, _ = image_shape("resnet18", input_shape, smallest=8)
    return ResNet(channels, width, (2, 2, 2, 2), projection=True, last_relu=last_relu)


class PadShortcut(nn.Module):
    """Option A of He 2016: every ``stride``-th pixel, and zeros for ``extra`` new channels."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, extra

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class BasicBlock(nn.Module):
    """ReLU(shortcut(x) + BN(conv(ReLU(BN(conv(x)))))), convolutions 3x3; the last ReLU can be left out."""

    def __init__(self, before: int, after: int, stride: int, *, projection: bool, relu: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = (
                nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))
                if projection
                else PadShortcut(stride, after - before)
            )
        self.last: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # Nothing is done in place, so that a tapped activation stays what it was.
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        result: Tensor = self.last(out + self.shortcut(x))
        return result


class ResNet(Backbone):
    """Images (B, C, H, W) through ``stem``, ``stage1``, ``stage2``, ... to mean-pooled features (B, feature_size)."""

    def __init__(
        self,
        channels: int,
        width: int,
        blocks: tuple[int, ...],
        *,
        projection: bool,
        last_relu: bool,
        kaiming: bool = False,
    ) -> None:
        super().__init__()
        self.kaiming = kaiming
        if width < 1:
            raise BadCall(f"width must be at least 1, found {width}.")
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self._stages = tuple(f"stage{number}" for number in range(1, len(blocks) + 1))
        before = width
        for number, count in enumerate(blocks):
            after = width * 2**number
            stage = nn.Sequential()
            for block in range(count):
                final = number == len(blocks) - 1 and block == count - 1
                stride = 2 if number and not block else 1
                stage.append(
                    BasicBlock(before, after, stride, projection=projection, relu=last_relu or not final)
                )
                before = after
            self.add_module(self._stages[number], stage)
        self.feature_size = before

    def reset_parameters(self) -> None:
        """What is drawn in another way than the layers draw it themselves: convolutions after He et al. (2015)."""
        for module in self.modules():
            if self.kaiming and isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts().values():
            x = part(x)
        return self.pooled(x)

    def parts(self) -> Mapping[str, nn.Module]:
        return {name: self.get_submodule(name) for name in ("stem", *self._stages)}

    def pooled(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))
