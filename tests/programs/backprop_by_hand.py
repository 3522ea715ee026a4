"""The backward pass of an embedding, two layers, a normalisation and a softmax, by the chain rule on paper, beside autograd's."""

import torch
import torch.nn.functional as F

torch.manual_seed(11)
draw = torch.Generator().manual_seed(2147483647)
letters, width, hidden, context, rows = 27, 6, 24, 3, 20
ids = torch.randint(0, letters, (rows, context), generator=draw)
goal = torch.randint(0, letters, (rows,), generator=draw)
shapes = {
    "table": (letters, width), "into": (width * context, hidden), "shift": (hidden,), "gain": (1, hidden),
    "offset": (1, hidden), "onto": (hidden, letters), "last": (letters,),
}  # fmt: skip
leaf = {name: (torch.randn(shape, generator=draw) * 0.3 + (name == "gain")) for name, shape in shapes.items()}
for tensor in leaf.values():
    tensor.requires_grad = True
print(sum(tensor.nelement() for tensor in leaf.values()), {name: tuple(tensor.shape) for name, tensor in leaf.items()})

node = {"looked_up": leaf["table"][ids]}
node["flat"] = node["looked_up"].view(rows, -1)
node["before"] = node["flat"] @ leaf["into"] + leaf["shift"]
node["centre"] = 1 / rows * node["before"].sum(0, keepdim=True)
node["away"] = node["before"] - node["centre"]
node["spread"] = 1 / (rows - 1) * (node["away"] ** 2).sum(0, keepdim=True)
node["scale"] = (node["spread"] + 1e-5) ** -0.5
node["unit"] = node["away"] * node["scale"]
node["active"] = torch.tanh(leaf["gain"] * node["unit"] + leaf["offset"])
node["score"] = node["active"] @ leaf["onto"] + leaf["last"]
node["top"] = node["score"].max(1, keepdim=True).values
node["weight"] = (node["score"] - node["top"]).exp()
node["whole"] = node["weight"].sum(1, keepdims=True)
node["share"] = node["weight"] * node["whole"] ** -1
node["log_share"] = node["share"].log()
loss = -node["log_share"][range(rows), goal].mean()
for tensor in node.values():
    tensor.retain_grad()
loss.backward()
print(loss, loss.grad_fn, [tensor.grad_fn for tensor in node.values()])

with torch.no_grad():
    d = {"log_share": torch.zeros_like(node["log_share"])}
    d["log_share"][range(rows), goal] = -1.0 / rows
    d["share"] = d["log_share"] / node["share"]
    d["whole"] = (node["weight"] * d["share"]).sum(1, keepdim=True) * -(node["whole"] ** -2)
    d["weight"] = d["share"] / node["whole"] + torch.ones_like(node["weight"]) * d["whole"]
    raised = node["weight"] * d["weight"]
    d["top"] = -raised.sum(1, keepdim=True)
    d["score"] = raised + F.one_hot(node["score"].max(1).indices, num_classes=letters) * d["top"]
    d["active"], d["onto"], d["last"] = d["score"] @ leaf["onto"].T, node["active"].T @ d["score"], d["score"].sum(0)
    bent = (1.0 - node["active"] ** 2) * d["active"]
    d["gain"], d["offset"] = (node["unit"] * bent).sum(0, keepdim=True), bent.sum(0, keepdim=True)
    d["unit"] = leaf["gain"] * bent
    d["scale"] = (node["away"] * d["unit"]).sum(0, keepdim=True)
    d["spread"] = -0.5 * (node["spread"] + 1e-5) ** -1.5 * d["scale"]
    d["away"] = node["scale"] * d["unit"]
    d["away"] += 2 / (rows - 1) * node["away"] * d["spread"]
    d["centre"] = -d["away"].sum(0, keepdim=True)
    d["before"] = d["away"].clone()
    d["before"] += d["centre"] / rows
    d["flat"], d["into"], d["shift"] = d["before"] @ leaf["into"].T, node["flat"].T @ d["before"], d["before"].sum(0)
    d["looked_up"] = d["flat"].view(node["looked_up"].shape)
    d["table"] = torch.zeros_like(leaf["table"])
    for i in range(rows):
        for j in range(context):
            d["table"][ids[i, j]] += d["looked_up"][i, j]
for name, mine in d.items():
    theirs = {**leaf, **node}[name].grad
    gap = (mine - theirs).abs().max().item()
    print(
        f"{name:10s} | same: {torch.all(mine == theirs).dtype} | near: {str(torch.allclose(mine, theirs, atol=1e-6)):5s} | {gap < 1e-6}"
    )

straight = F.cross_entropy(node["score"], goal)
print(f"{straight.item():.5f}", abs((straight - loss).item()) < 1e-6)
short = F.softmax(node["score"], 1)
print(short[0], short.shape)
short = short.detach()
short[range(rows), goal] -= 1
short /= rows
print(torch.allclose(short, d["score"], atol=1e-7), short[0] * rows, short.sum().abs() < 1e-6)
normal = (node["before"] - node["before"].mean(0)) / torch.sqrt(node["before"].var(0, unbiased=True) + 1e-5)
print((normal - node["unit"]).abs().max() < 1e-5)
mixed = (bent * node["unit"]).sum(0)
whole_rule = (
    leaf["gain"] * node["scale"] / rows * (rows * bent - bent.sum(0) - rows / (rows - 1) * node["unit"] * mixed)
)
print(torch.allclose(whole_rule, node["before"].grad, atol=1e-7))
