"""Words as sequences: a classifier, a tied language model with truncated backpropagation, translation with attention."""

import math
import random
import string

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, optim
from torch.nn import TransformerEncoder, TransformerEncoderLayer
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

random.seed(4)
torch.manual_seed(4)
letters = string.ascii_lowercase + "_"


def one_hot_line(word):
    line = torch.zeros(len(word), 1, len(letters))
    for at, letter in enumerate(word):
        line[at][0][letters.find(letter)] = 1
    return line


class Recogniser(nn.Module):
    def __init__(self, kinds):
        super().__init__()
        self.rnn = nn.RNN(len(letters), 12)
        self.out = nn.Linear(12, kinds)
        self.log_softmax = nn.LogSoftmax(dim=1)

    def forward(self, line):
        _, hidden = self.rnn(line)
        return self.log_softmax(self.out(hidden[0]))


groups = {"it": ["rossi", "bianchi", "ferrari"], "ko": ["ahn", "cho", "kim"]}
recogniser, criterion = Recogniser(len(groups)), nn.NLLLoss()
print(recogniser, recogniser(one_hot_line("ahn")), one_hot_line("b").size())
sgd = optim.SGD(recogniser.parameters(), lr=0.15, momentum=0.9, nesterov=True)
for epoch in range(3):
    recogniser.zero_grad()
    loss = 0
    for label, words in enumerate(groups.values()):
        for word in words:
            loss += criterion(recogniser(one_hot_line(word)), torch.LongTensor([label]))
    loss.backward()
    nn.utils.clip_grad_norm_(recogniser.parameters(), 3)
    sgd.step()
    print(epoch, f"{loss.item():.5f}", loss.grad_fn.name())
confusion = torch.zeros(2, 2)
with torch.no_grad():
    for label, words in enumerate(groups.values()):
        for word in words:
            values, places = recogniser(one_hot_line(word)).topk(1)
            confusion[label][places[0].item()] += 1
confusion /= confusion.sum(1, keepdim=True)
print(confusion, values, places)


class Language(nn.Module):
    def __init__(self, kind, tokens, size, layers):
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.table = nn.Embedding(tokens, size)
        self.rnn = getattr(nn, kind)(size, size, layers, dropout=0.2)
        self.head = nn.Linear(size, tokens)
        self.head.weight = self.table.weight
        nn.init.uniform_(self.table.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)

    def forward(self, text, state):
        out, state = self.rnn(self.drop(self.table(text)), state)
        return F.log_softmax(self.head(self.drop(out)), dim=-1).flatten(0, 1), state

    def start(self, batch):
        like = next(self.parameters())
        zeros = like.new_zeros(self.rnn.num_layers, batch, self.rnn.hidden_size)
        return (zeros, zeros.clone()) if isinstance(self.rnn, nn.LSTM) else zeros


def cut(state):
    return state.detach() if isinstance(state, torch.Tensor) else tuple(cut(s) for s in state)


text = torch.tensor([(i * i + i // 3) % 13 for i in range(203)]).type(torch.int64)
columns = text.narrow(0, 0, 200).view(5, -1).t().contiguous()
for kind in ("LSTM", "GRU"):
    model, rate = Language(kind, 13, 10, 2), 5
    state = model.start(5)
    print(model)
    for at in range(0, columns.size(0) - 1, 12):
        length = min(12, len(columns) - 1 - at)
        model.zero_grad()
        output, state = model(columns[at : at + length], cut(state))
        loss = criterion(output, columns[at + 1 : at + 1 + length].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-rate)
        print(f"| {at:3d} | {loss.item():5.3f} | {math.exp(loss.item()):8.3f}")
    model.eval()
    with torch.no_grad():
        token, state, said = torch.randint(13, (1, 1), dtype=torch.long), model.start(1), []
        for _ in range(8):
            output, state = model(token, state)
            token.fill_(torch.multinomial(output.squeeze().div(0.9).exp(), 1)[0])
            said.append(token.item())
        print(said)

phrases = [
    ("il est grand", "he is tall"),
    ("je suis las", "i am tired"),
    ("tu es la", "you are here"),
    ("il est la", "he is here"),
]
tables = [{"<s>": 0, "</s>": 1}, {"<s>": 0, "</s>": 1}]
ids = [np.zeros((len(phrases), 5), dtype=np.int32) for _ in range(2)]
for row, pair in enumerate(phrases):
    for table, sentence, places in zip(tables, pair, ids):
        numbers = [table.setdefault(word, len(table)) for word in sentence.split(" ")] + [1]
        places[row, : len(numbers)] = numbers


class Reader(nn.Module):
    def __init__(self, words, size):
        super().__init__()
        self.table, self.gru = nn.Embedding(words, size), nn.GRU(size, size, batch_first=True, bidirectional=True)

    def forward(self, x):
        out, last = self.gru(self.table(x))
        return out, last.mean(0, keepdim=True)


class Writer(nn.Module):
    def __init__(self, words, size):
        super().__init__()
        self.table = nn.Embedding(words, size)
        self.query, self.key, self.energy = nn.Linear(size, size), nn.Linear(2 * size, size), nn.Linear(size, 1)
        self.gru, self.out = nn.GRU(3 * size, size, batch_first=True), nn.Linear(size, words)

    def forward(self, read, hidden, target=None):
        word = torch.empty(read.size(0), 1, dtype=torch.long).fill_(0)
        rows, looks = [], []
        for step in range(5):
            energy = self.energy(torch.tanh(self.query(hidden.permute(1, 0, 2)) + self.key(read)))
            look = F.softmax(energy.squeeze(2).unsqueeze(1), dim=-1)
            out, hidden = self.gru(torch.cat((self.table(word), torch.bmm(look, read)), dim=2), hidden)
            rows.append(self.out(out))
            looks.append(look)
            word = rows[-1].topk(1)[1].squeeze(-1).detach() if target is None else target[:, step].unsqueeze(1)
        return F.log_softmax(torch.cat(rows, dim=1), dim=-1), torch.cat(looks, dim=1)


pairs = TensorDataset(*(torch.LongTensor(places) for places in ids))
batches = DataLoader(pairs, sampler=RandomSampler(pairs), batch_size=2)
reader, writer = Reader(len(tables[0]), 12), Writer(len(tables[1]), 12)
adam = optim.Adam([*reader.parameters(), *writer.parameters()], lr=0.01)
for epoch in range(12):
    total = 0
    for source, target in batches:
        adam.zero_grad()
        scores, _ = writer(*reader(source), target)
        loss = criterion(scores.view(-1, scores.size(-1)), target.view(-1))
        loss.backward()
        adam.step()
        total += loss.item()
    print(f"{epoch} {total / len(batches):.4f}")
words = {number: word for word, number in tables[1].items()}
with torch.no_grad():
    scores, looks = writer(*reader(torch.from_numpy(ids[0]).long()))
    for row, (source, _) in zip(scores.argmax(-1), phrases):
        print(source, "->", " ".join(words[i.item()] for i in row), sep=" ")
    print(looks[0])


class Attentive(nn.Module):
    def __init__(self, tokens, size):
        super().__init__()
        position, rate = torch.arange(30).unsqueeze(1), torch.exp(torch.arange(0, size, 2) * (-math.log(1e4) / size))
        waves = torch.zeros(30, 1, size)
        waves[:, 0, 0::2], waves[:, 0, 1::2] = torch.sin(position * rate), torch.cos(position * rate)
        self.register_buffer("waves", waves, persistent=False)
        self.encoder = TransformerEncoder(TransformerEncoderLayer(size, 2, 20, 0.1, activation="gelu"), 2)
        self.table, self.head = nn.Embedding(tokens, size), nn.Linear(size, tokens)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(len(x))
        h = self.table(x) * math.sqrt(self.table.embedding_dim) + self.waves[: x.size(0)]
        return self.head(self.encoder(h, mask))


net = Attentive(13, 8)
print(net, nn.Transformer.generate_square_subsequent_mask(3))
opt = torch.optim.SGD(net.parameters(), lr=0.5)
decay = torch.optim.lr_scheduler.StepLR(opt, 1.0, gamma=0.95)
for at in range(0, 30, 10):
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(
        net(columns[at : at + 10]).view(-1, 13), columns[at + 1 : at + 11].reshape(-1)
    )
    opt.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    opt.step()
    decay.step()
    print(f"{loss:.4f} {norm:.4f} {decay.get_last_lr()}")
