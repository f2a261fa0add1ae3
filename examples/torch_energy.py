"""A PyTorch module as an energy: autograd gives the gradients, one call for every batch."""

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

import biglearn_sampler as bl

torch.manual_seed(0)
CENTRES = torch.tensor([[-3.0, 0.0], [3.0, 1.0], [0.0, -3.0]], dtype=torch.float64)


class Energy(torch.nn.Module):
    """Three wells; any module that maps `(count, dim)` to `(count,)` will do."""

    def __init__(self) -> None:
        super().__init__()
        self.depths = torch.nn.Parameter(torch.log(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)))

    def forward(self, points):
        squares = ((points[:, None] - CENTRES) ** 2).sum(-1)
        return -torch.logsumexp(self.depths - 2.0 * squares, dim=1)


energy = Energy().eval().requires_grad_(False)


def log_density(points):
    return -energy(torch.from_numpy(points)).numpy()


def value_and_gradient(points):
    moving = torch.from_numpy(points).requires_grad_(True)
    values = -energy(moving)
    (gradient,) = torch.autograd.grad(values.sum(), moving)  # points do not know of one another: one sum serves all
    return values.detach().numpy(), gradient.numpy()


target = bl.from_numpy(log_density, value_and_gradient=value_and_gradient, dim=2, scale=4.0)

if __name__ == "__main__":
    run = bl.train(target, seed=0)
    print("log Z", run.metrics["log_z"], "exact", np.log(np.pi / 2.0))
    print(run.metrics["verdict"]["sentence"])
