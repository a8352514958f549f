"""The 3D fully convolutional DenseNet, its loss and its learning rate, as a PyTorch user would write
them. An independent second implementation: what the C engine computes is compared with this."""
import dataclasses

import torch
import torch.nn.functional as functional
from torch import nn


@dataclasses.dataclass
class Architecture:
    in_channels: int = 1
    classes: int = 2
    first_filters: int = 48
    growth: int = 12
    down_layers: tuple = (2, 3, 4, 5)
    bottleneck_layers: int = 7
    dropout: float = 0.0


class DenseLayer(nn.Module):
    def __init__(self, channels, growth, dropout):
        super().__init__()
        self.norm = nn.BatchNorm3d(channels, eps=1e-5, momentum=0.1)
        self.conv = nn.Conv3d(channels, growth, kernel_size=3, padding=1)
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, stack):
        return self.dropout(self.conv(torch.relu(self.norm(stack))))


class DenseBlock(nn.Module):
    """Returns the whole stack; what the block itself made lies behind its input."""

    def __init__(self, channels, layers, growth, dropout):
        super().__init__()
        self.in_channels = channels
        self.out_channels = channels + layers * growth
        self.layer = nn.ModuleList(
            DenseLayer(channels + i * growth, growth, dropout) for i in range(layers))

    def forward(self, stack):
        for layer in self.layer:
            stack = torch.cat([stack, layer(stack)], dim=1)
        return stack

    def new_features(self, stack):
        return stack[:, self.in_channels:]


class TransitionDown(nn.Module):
    def __init__(self, channels, dropout):
        super().__init__()
        self.norm = nn.BatchNorm3d(channels, eps=1e-5, momentum=0.1)
        self.conv = nn.Conv3d(channels, channels, kernel_size=1)
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, stack):
        return functional.max_pool3d(self.dropout(self.conv(torch.relu(self.norm(stack)))), 2)


class TransitionUp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.ConvTranspose3d(channels, channels, kernel_size=3, stride=2, padding=1,
                                       output_padding=1)

    def forward(self, features):
        return self.conv(features)


class Single(nn.Module):
    """Gives stem and head their name in the state."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return self.conv(x)


class FCD(nn.Module):
    def __init__(self, arch=None):
        super().__init__()
        a = arch or Architecture()
        self.stem = Single(nn.Conv3d(a.in_channels, a.first_filters, kernel_size=3, padding=1))
        self.down, self.transition_down = nn.ModuleList(), nn.ModuleList()
        self.up, self.transition_up = nn.ModuleList(), nn.ModuleList()
        channels, skips = a.first_filters, []
        for layers in a.down_layers:
            block = DenseBlock(channels, layers, a.growth, a.dropout)
            channels = block.out_channels
            skips.append(channels)
            self.down.append(block)
            self.transition_down.append(TransitionDown(channels, a.dropout))
        self.bottleneck = DenseBlock(channels, a.bottleneck_layers, a.growth, a.dropout)
        rising = a.bottleneck_layers * a.growth
        for layers, skip in zip(reversed(a.down_layers), reversed(skips)):
            self.transition_up.append(TransitionUp(rising))
            block = DenseBlock(rising + skip, layers, a.growth, a.dropout)
            self.up.append(block)
            rising = layers * a.growth
        self.head = Single(nn.Conv3d(self.up[-1].out_channels, a.classes, kernel_size=1))

    def forward(self, x):
        skips = []
        x = self.stem(x)
        for block, transition in zip(self.down, self.transition_down):
            x = block(x)
            skips.append(x)
            x = transition(x)
        block, x = self.bottleneck, self.bottleneck(x)
        for transition, following in zip(self.transition_up, self.up):
            x = torch.cat([transition(block.new_features(x)), skips.pop()], dim=1)
            block, x = following, following(x)
        return self.head(x)

    def tensors(self):
        """name -> tensor of everything that a model file holds (no step counters)."""
        return {name: tensor for name, tensor in self.state_dict(keep_vars=True).items()
                if not name.endswith("num_batches_tracked")}


def set_norm_mode(net, mode):
    """Prediction with 'running' averages or with the statistics of the volume at hand ('batch')."""
    net.eval()
    if mode == "batch":
        for module in net.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.train()
                module.momentum = 0.0


def loss_terms(logits, target, alpha=1.0, beta=1.0, smooth=1.0, tumour=1):
    """Cross entropy, the dual term and the soft Dice loss, unweighted."""
    cross_entropy = functional.cross_entropy(logits, target)
    p = functional.softmax(logits, dim=1)
    y = functional.one_hot(target, logits.shape[1]).permute(0, 4, 1, 2, 3).to(p.dtype)
    dual = beta * torch.sum((1 - y) * torch.log(alpha + p), dim=1).mean()
    p, y = p[:, tumour], y[:, tumour]
    overlap = (2 * torch.sum(p * y) + smooth) / (torch.sum(p) + torch.sum(y) + smooth)
    return cross_entropy, dual, 1 - overlap


def learning_rate(step, steps, base=1e-3, power=0.9):
    return base * (1 - step / steps) ** power


def biases_without_gradient(arch):
    """Convolution biases whose value training-mode batch norm takes out again wherever it is used.

    A bias shifts a whole channel. That cancels when every reader of the channel is a batch norm:
    true of the transitions down, of the dense layers of every down block but the finest (their
    skips end in norms, and only the new features of an up block go on), and of the
    transitions up but the finest. The finest level also reaches the head, without norm, and the
    dense layers of the bottleneck and the up blocks feed a transposed convolution, at whose
    borders a constant is not a constant any more."""
    levels = len(arch.down_layers)
    names = {f"transition_down.{i}.conv.bias" for i in range(levels)}
    names |= {f"transition_up.{i}.conv.bias" for i in range(levels - 1)}
    names |= {f"down.{i}.layer.{j}.conv.bias" for i in range(1, levels)
              for j in range(arch.down_layers[i])}
    return names
