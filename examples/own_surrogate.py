"""A surrogate model of your own: the nearest designs that were trained on."""

from sklearn.neighbors import NearestNeighbors

import archgym.testing
from archgym.surrogates.base import Model, estimate_of
from archgym.surrogates.tabular import over_bases, stacked


class Neighbours(Model):
    """Its keyword parameters are its options: `neighbours?members=3`."""

    def __init__(self, seed, bases, members: int = 5):
        super().__init__(seed, bases)
        self.members = members

    def fit(self, train, validation, on_step=None):
        table, targets = stacked(train, self.bases)  # features of all designs, log targets over their rooflines
        self.load({}, {"table": table, "targets": targets})  # to learn is to remember
        if on_step:
            on_step(1, 1, float("nan"))

    def predict(self, seen):
        _, nearest = self.neighbours.kneighbors(seen.table / self.scale)
        return estimate_of(self.arrays["targets"][nearest.T] + over_bases(seen, self.bases))

    def state(self):
        return {}, self.arrays

    def load(self, values, arrays):
        self.arrays, self.scale = arrays, arrays["table"].std(axis=0) + 1e-3
        self.neighbours = NearestNeighbors(n_neighbors=self.members).fit(arrays["table"] / self.scale)


if __name__ == "__main__":
    archgym.testing.check_surrogate(Neighbours)
    archgym.surrogates.SURROGATES.register("neighbours", "__main__:Neighbours")
    archgym.datasets.generate("systolic", ["resnet18"], n=2000, out="designs")
    print(archgym.surrogates.train("designs", "neighbours?members=3", "nearest").info["scores"][0])
