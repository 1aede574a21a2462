"""An agent of your own: random neighbours of the best design so far."""

import numpy as np

import archgym
from archgym.agents import AGENTS
from archgym.agents.base import Agent, State
from archgym.objective import Outcome
from archgym.space import Indices


class HillClimbing(Agent):
    """Its keyword parameters are its options: `hill?width=4`."""

    def __init__(self, space: archgym.DesignSpace, n_objectives: int, seed: int, width: int = 8) -> None:
        super().__init__(space, n_objectives, seed)
        self.width, self.best, self.reward = width, space.centre, -np.inf

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        near = np.concatenate([self.space.neighbours(self.best), self.space.sample(self.width, rng)])
        return near[rng.permutation(len(near))[: min(n, self.width)]]

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        row = int(np.argmax(outcome.rewards))
        if outcome.rewards[row] > self.reward:
            self.best, self.reward = indices[row], float(outcome.rewards[row])

    def state(self) -> State:
        return super().state() | {"best": self.best, "reward": self.reward}

    def load(self, state: State) -> None:
        super().load(state)
        self.best, self.reward = state["best"], float(state["reward"])


if __name__ == "__main__":
    archgym.testing.check_agent(HillClimbing)
    AGENTS.register("hill", "__main__:HillClimbing")
    print(archgym.search("systolic", "resnet18", agent="hill?width=4", budget=3000).best)
