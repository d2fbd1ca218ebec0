"""The convolutional VAE of YannDubs/disentangling-vae in plain torch, from weights by their state-dict names."""

import torch.nn.functional as F
from torch import Tensor, nn


class Encoder(nn.Module):
    """x [B, 1, size, size] to the mean and the standard deviation of q(z|x), [B, 10] each."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.names = ["conv1", "conv2", "conv3", *(["conv_64"] if size == 64 else [])]
        for i, name in enumerate(self.names):
            self.add_module(name, nn.Conv2d(32 if i else 1, 32, 4, 2, 1))
        self.lin1, self.lin2, self.mu_logvar_gen = nn.Linear(512, 256), nn.Linear(256, 256), nn.Linear(256, 20)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        for name in self.names:
            x = F.relu(getattr(self, name)(x))
        h = F.relu(self.lin2(F.relu(self.lin1(x.flatten(1)))))
        mu, log_var = self.mu_logvar_gen(h).view(-1, 10, 2).unbind(-1)
        return mu, (0.5 * log_var).exp()


class Decoder(nn.Module):
    """z [B, 10] to logits of p(x|z), [B, 1, size, size]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.lin1, self.lin2, self.lin3 = nn.Linear(10, 256), nn.Linear(256, 256), nn.Linear(256, 512)
        self.names = [*(["convT_64"] if size == 64 else []), "convT1", "convT2", "convT3"]
        for name in self.names:
            self.add_module(name, nn.ConvTranspose2d(32, 1 if name == "convT3" else 32, 4, 2, 1))

    def forward(self, z: Tensor) -> Tensor:  # noqa: D102
        h = F.relu(self.lin3(F.relu(self.lin2(F.relu(self.lin1(z)))))).view(-1, 32, 4, 4)
        for name in self.names[:-1]:
            h = F.relu(getattr(self, name)(h))
        return self.convT3(h)  # logits
