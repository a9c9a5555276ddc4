"""Small MSSNets with one idea left out each, trained alike: to see what each idea is worth.

Made by training/train_ablation.sh. `load_model("mssnet-ablation")` gives them all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from mssnet_edu.mssnet.network import MSSNet, MSSNetConfig

__all__ = ["REMEDIES", "Ablation", "beyond_seed_noise", "build"]

# What is left out, and the configuration that does so.
REMEDIES = {
    "full": {},
    "equal stages": {"unets": (2, 2, 2)},
    "colours only": {"feature_propagation": False},
    "bilinear": {"pixel_unshuffle": False},
}


class Ablation(nn.Module):
    """A set of small MSSNets: the full one and three with a remedy left out, each of some seeds.

    seeds: those of all kinds, or a dict that says them for each kind; the full one may have been
    trained more often. `ablation["bilinear"]` is the list of networks of that kind, one for each
    seed; `kinds` are all names, "full" first; `seeds[kind]` says which seeds. Called like a
    network, the set answers with the first full one.

    >>> Ablation(wf=4, scale=2, vscale=2, seeds=[0]).kinds
    ['full', 'equal stages', 'colours only', 'bilinear']
    """

    def __init__(
        self,
        wf: int = 8,
        scale: int = 8,
        vscale: int = 8,
        seeds: Mapping[str, Sequence[int]] | Sequence[int] = (0, 1),
    ):
        super().__init__()
        self.kinds = list(REMEDIES)
        if not isinstance(seeds, Mapping):
            seeds = dict.fromkeys(self.kinds, seeds)
        self.seeds = {kind: list(seeds.get(kind, ())) for kind in self.kinds}
        if not all(self.seeds.values()):
            raise ValueError(f"each of {', '.join(self.kinds)} needs at least one seed.")
        self.networks = nn.ModuleDict(
            {
                self.key(kind, seed): MSSNet(MSSNetConfig(wf, scale, vscale, **change))
                for kind, change in REMEDIES.items()
                for seed in self.seeds[kind]
            }
        )

    @staticmethod
    def key(kind: str, seed: int) -> str:
        """The name of one network's weights in the file.

        >>> Ablation.key("equal stages", 1)
        'equal-stages-1'
        """
        return f"{kind.replace(' ', '-')}-{seed}"

    def __getitem__(self, kind: str) -> list[MSSNet]:
        if kind not in self.kinds:
            raise KeyError(f"there is no kind {kind!r}; there are {', '.join(self.kinds)}")
        return [cast(MSSNet, self.networks[self.key(kind, seed)]) for seed in self.seeds[kind]]

    def forward(self, photo: Tensor) -> Tensor:
        """The answer of the full network of the first seed, raw, in the shape of `photo`."""
        return self[self.kinds[0]][0](photo)


def beyond_seed_noise(full: Sequence[float], without: Sequence[float]) -> str:
    """Can the difference be told from luck? "worse", "better" or "luck", for the one left out.

    full, without: a score for each seed, in the same order, higher is better; `without` may have
    fewer. The difference counts if it has the same sign for every seed and is, for every seed,
    larger than the distance between the best and the worst full network: twins that differ by
    nothing but luck. A rule of thumb; two seeds are no proof. Raises ValueError for fewer than two
    full networks, or for more without than full.

    >>> beyond_seed_noise([1.0, 1.1], [0.7, 0.6]), beyond_seed_noise([1.0, 1.1], [0.95, 1.0])
    ('worse', 'luck')
    """
    if len(full) < 2 or not 1 <= len(without) <= len(full):
        raise ValueError(
            f"full has {len(full)} scores, without {len(without)}; expected at least two of the "
            "full network, and one or more, up to as many, without."
        )
    spread = max(full) - min(full)
    differences = [b - a for a, b in zip(full, without, strict=False)]
    if all(d < -spread for d in differences):
        return "worse"
    if all(d > spread for d in differences):
        return "better"
    return "luck"


def build(**config: Any) -> Ablation:
    """The set that a model card's `config` describes, with random weights."""
    return Ablation(**config)
