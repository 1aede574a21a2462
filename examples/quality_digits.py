"""Train a small CNN on scikit-learn's digits, compress it, and compare the loss with a published network's."""

import torch
from sklearn.datasets import load_digits  # pip install 'archgym[surrogates]'

import archgym
from archgym.compression import Setting, measure

torch.manual_seed(0)
torch.set_num_threads(1)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
order = torch.randperm(len(labels))
train, test = order[:1300], order[1300:]

layers = [torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, stride=2), torch.nn.ReLU()]
module = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(32 * 9, 10))
optimiser = torch.optim.Adam(module.parameters(), 3e-3)
for _ in range(15):
    for batch in train[torch.randperm(len(train))].split(64):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(images[batch]), labels[batch]).backward()
        optimiser.step()

print(f"{'setting':36} {'accuracy':>9} {'measured':>9} {'estimate for ResNet-18':>30}")
for bits, pattern in ((8, "dense"), (4, "dense"), (16, "unstructured-50"), (16, "2:4")):
    setting = Setting(weight_bits=bits, activation_bits=bits, pattern=pattern)
    measured = measure(module, [(images[test], labels[test])], setting)
    guess = archgym.quality("resnet18", setting)
    interval = f"{guess.quality_loss:.4f} ({guess.low:.4f} to {guess.high:.4f})"
    print(f"{setting!s:36} {measured.after:9.4f} {measured.quality_loss:9.4f} {interval:>30}")
