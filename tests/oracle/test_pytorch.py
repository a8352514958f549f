# ctest: slow
"""The network engine against the same network in PyTorch, weights passed as safetensors files.

PyTorch runs in float64 where rounding matters and time allows, so that a figure is the engine's own
error; what PyTorch's float32 is off by stands beside it."""
import ctypes
import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads leave a busy machine alone
try:
    import torch
except ImportError:
    print("skipped: PyTorch (Debian's python3-torch) is not installed")
    sys.exit(77)
import numpy

import fcd_torch
import reprise_c
from oracle_material import randomise, safetensors_read, safetensors_write, scene, settle

EXTENT = (32, 48, 32)  # Z, Y, X
TOLERANCE = 1e-4
ADAM_TOLERANCE = 1e-3
ADAM_STEPS = 10
FULL = fcd_torch.Architecture()
MIDDLE = fcd_torch.Architecture(first_filters=12, growth=6, down_layers=(2, 2), bottleneck_layers=3)
SMALL = fcd_torch.Architecture(in_channels=2, classes=3, first_filters=8, growth=5,
                               down_layers=(1, 2), bottleneck_layers=3)
LOSSES = ("cross entropy", "dual cross entropy", "Dice loss", "total")


def keep_memory():
    """PyTorch's tensors are taken from memory that is there: fresh pages for each cost as much time
    as the arithmetic."""
    mallopt, top_pad, trim_threshold, mmap_max = ctypes.CDLL(None).mallopt, -2, -1, -4  # malloc.h
    if not (mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1) and mallopt(top_pad, 2**28)):
        print("memory is not kept: this takes longer")


class Checks:
    def __init__(self):
        self.passed, self.failed, self.start = 0, [], time.monotonic()

    def section(self, text):
        print(f"\n{text} ({time.monotonic() - self.start:.0f} s)", flush=True)

    def note(self, text):
        print(f"       {text}", flush=True)

    def check(self, good, text):
        if good:
            self.passed += 1
        else:
            self.failed.append(text)
        print(f"  {'ok  ' if good else 'FAIL'} {text}", flush=True)

    def close(self, what, error, tolerance, note=""):
        self.check(error <= tolerance, f"{what}: {error:.2e} (bound {tolerance:.0e}){note}")


def relative(value, reference):
    """Largest difference over the reference's largest magnitude; NaN where either has one."""
    reference = numpy.asarray(reference, numpy.float64)
    return float(numpy.max(numpy.abs(value - reference)) / numpy.max(numpy.abs(reference)))


def worst(errors):
    name = max(errors, key=lambda n: (errors[n] != errors[n], errors[n]))
    return errors[name], name


def same_bits(a, b):
    return a.keys() == b.keys() and all(
        a[n].shape == b[n].shape and
        numpy.array_equal(a[n].view(numpy.uint32), b[n].view(numpy.uint32)) for n in a)


def copies(arrays):
    return {name: numpy.array(value) for name, value in arrays.items()}


# ---- both sides -----------------------------------------------------------------------------------------

def torch_net(tensors, arch, dtype=torch.float64):
    net = fcd_torch.FCD(arch).to(dtype)
    mine = net.tensors()
    assert mine.keys() == tensors.keys(), set(mine) ^ set(tensors)
    with torch.no_grad():
        for name, value in tensors.items():
            mine[name].copy_(torch.from_numpy(numpy.array(value)))
    return net


def torch_input(image, target, dtype):
    return (torch.from_numpy(image)[None].to(dtype),
            torch.from_numpy(target.astype(numpy.int64))[None])


def torch_step(net, image, target, dtype=torch.float64):
    """Forward and backward in training mode: logits, losses, gradients."""
    x, y = torch_input(image, target, dtype)
    net.train()
    net.zero_grad()
    logits = net(x)
    terms = fcd_torch.loss_terms(logits, y)
    sum(terms).backward()
    gradients = {name: p.grad.numpy().astype(numpy.float64) for name, p in net.named_parameters()}
    losses = [t.item() for t in (*terms, sum(terms))]
    return logits.detach()[0].numpy().astype(numpy.float64), losses, gradients


def c_step(session, image, target, classes):
    session.forward(image)
    loss = session.loss(target)
    return session.logits(classes), [loss.cross_entropy, loss.dual_cross_entropy, loss.dice_loss,
                                     loss.total]


def starting_point(library, rng, arch, image, lift=0.0):
    """Random weights away from corners on this image, by name, float32."""
    net = reprise_c.Net.create(library, arch, seed=11)
    randomise(rng, net.values, lift)
    oracle = torch_net(net.values, arch)
    net.destroy()
    words = settle(oracle, image, rng)
    return {n: p.detach().numpy().astype(numpy.float32) for n, p in oracle.tensors().items()}, words


# ---- 1: parameters --------------------------------------------------------------------------------------

def compare_names(t, library):
    t.section("1. Parameters")
    net = reprise_c.Net.create(library, FULL, seed=3)
    oracle = fcd_torch.FCD()
    count = sum(p.numel() for p in oracle.parameters())
    t.check(net.trainable() == count == 2698682,
            f"trainable parameters: C {net.trainable()}, PyTorch {count}, expected 2698682")
    names = {name: tuple(p.shape) for name, p in oracle.tensors().items()}
    t.check({name: value.shape for name, value in net.values.items()} == names,
            f"{len(names)} names and shapes are equal")
    t.check(net.gradients.keys() == {n for n, _ in oracle.named_parameters()},
            f"{len(net.gradients)} of them have a gradient")
    check_fresh(t, net)
    net.destroy()


def check_fresh(t, net):
    """He uniform by fan in, biases 0, norms 1 and 0, averages 0 and 1."""
    constant = {"norm.weight": 1, "norm.bias": 0, "conv.bias": 0, "running_mean": 0,
                "running_var": 1}
    plain, filled = True, {}
    for name, value in net.values.items():
        kind = next((k for k in constant if name.endswith(k)), None)
        if kind:
            plain &= bool(numpy.all(value == constant[kind]))
        elif not name.startswith("transition_up"):
            filled[name] = float(numpy.max(numpy.abs(value))) / (6 / value[0].size) ** 0.5
    t.check(plain, "fresh biases, norms and running averages are 0, 1 and 0, 0 and 1")
    t.check(all(0.97 < s <= 1.0001 for s in filled.values()),
            f"fresh convolutions fill the He-uniform range: largest over bound from "
            f"{min(filled.values()):.4f} to {max(filled.values()):.4f}")


# ---- 2: model files -------------------------------------------------------------------------------------

def compare_files(t, library, rng):
    t.section("2. Model files")
    path = os.path.join(library.folder.name, "model.safetensors")
    model = reprise_c.Model(library).create(FULL, seed=5)
    net = model.net()
    randomise(rng, net.values)
    model.write(path)
    tensors, metadata = safetensors_read(path)
    t.check(len(metadata) > 0, f"the C file carries metadata: {', '.join(sorted(metadata))}")
    t.check(same_bits(tensors, net.values), "C -> file -> Python: bit-identical")
    oracle = torch_net(tensors, FULL, torch.float32)
    loaded = {n: p.detach().numpy() for n, p in oracle.tensors().items()}
    t.check(same_bits(loaded, net.values), "C -> file -> PyTorch: bit-identical")
    model.release()

    torch.manual_seed(7)
    oracle = fcd_torch.FCD()
    theirs = {n: p.detach().numpy() for n, p in oracle.tensors().items()}
    randomise(rng, theirs)
    reversed_order = dict(reversed(list(theirs.items())))
    whole = {n: p.detach().numpy() for n, p in oracle.state_dict().items()}
    for what, content in (("PyTorch -> file without metadata, in reversed order -> C", reversed_order),
                          ("PyTorch's whole state_dict, step counters included -> C", whole)):
        safetensors_write(path, content)
        model = reprise_c.Model(library).read(path)
        t.check(same_bits(theirs, model.net().values), what + ": bit-identical")
        model.release()


# ---- 3: one training step -------------------------------------------------------------------------------

def compare_gradients(t, mine, reference, context, silent):
    """silent: the biases whose true gradient is 0; rounding noise is all that either side has."""
    errors, theirs, noise = {}, {}, {}
    for name, value in reference.items():
        if name in silent:
            scale = numpy.max(numpy.abs(reference[name[:-4] + "weight"]))
            noise[name] = float(numpy.max(numpy.abs(mine[name])) / scale)
        else:
            errors[name] = relative(mine[name], value)
            theirs[name] = relative(context[name], value)
    for name in sorted(errors, key=errors.get, reverse=True)[:3]:
        t.note(f"{name}: {errors[name]:.2e}; PyTorch float32 {theirs[name]:.2e}")
    error, name = worst(errors)
    t.close(f"{len(errors)} gradients, worst {name}", error, TOLERANCE,
            f"; median {numpy.median(list(errors.values())):.1e}; "
            f"PyTorch float32 {worst(theirs)[0]:.2e}, {numpy.median(list(theirs.values())):.1e}")
    error, name = worst(noise)
    t.close(f"{len(noise)} biases read by norms alone (true gradient 0): largest value over their "
            f"convolution's weight gradient, worst {name}", error, TOLERANCE)


def check_silent(t, gradients, silent):
    """The list of biases without gradient is what PyTorch's float64 finds, not an excuse."""
    size = {n: float(numpy.max(numpy.abs(g))) for n, g in gradients.items()}
    ratio = {n: size[n] / size[n[:-4] + "weight"] for n in size if n.endswith("conv.bias")}
    found = {n for n, r in ratio.items() if r < 1e-10}
    t.check(found == silent and len(silent) > 0,
            f"biases without gradient: {len(silent)} by the architecture, the same in PyTorch "
            f"float64 (their largest {max(ratio[n] for n in silent):.1e} of the weight's gradient, "
            f"the others' smallest {min(ratio[n] for n in ratio if n not in silent):.1e})")


def compare_averages(t, net, oracle):
    errors = {name: relative(net.values[name], p.detach().numpy())
              for name, p in oracle.tensors().items() if "running" in name}
    error, name = worst(errors)
    t.close(f"{len(errors)} running means and variances after the forward, worst {name}", error,
            TOLERANCE)


def compare_step(t, library, rng, arch, extent, tables):
    t.section(f"3. One training step on {'x'.join(map(str, extent))}, "
              f"{arch.in_channels} channel(s), {arch.classes} classes")
    image, target = scene(rng, extent, arch.in_channels, arch.classes)
    start, words = starting_point(library, rng, arch, image)
    t.note(words)
    oracle = torch_net(start, arch)
    logits, losses, gradients = torch_step(oracle, image, target)
    context = torch_step(torch_net(start, arch, torch.float32), image, target, torch.float32)
    silent = fcd_torch.biases_without_gradient(arch)
    check_silent(t, gradients, silent)
    net = reprise_c.Net.create(library, arch)
    for table in tables:
        t.note(f"kernels {library.kernels_select(table)}")
        net.load(start)
        session = reprise_c.Session(net, extent, reprise_c.TRAIN)
        mine, my_losses = c_step(session, image, target, arch.classes)
        t.close("logits", relative(mine, logits), TOLERANCE,
                f"; PyTorch float32 {relative(context[0], logits):.2e}")
        for name, a, b in zip(LOSSES, my_losses, losses):
            t.close(f"{name} {b:.9f}", abs(a - b) / abs(b), TOLERANCE)
        compare_gradients(t, net.gradients, gradients, context[2], silent)
        compare_averages(t, net, oracle)
        session.destroy()
    library.kernels_select(None)
    net.destroy()


# ---- 4: prediction --------------------------------------------------------------------------------------

def compare_prediction(t, library, rng, arch, extent, tables):
    t.section(f"4. Prediction on {'x'.join(map(str, extent))}")
    image, _ = scene(rng, extent, arch.in_channels)
    net = reprise_c.Net.create(library, arch, seed=13)
    randomise(rng, net.values)
    start = copies(net.values)
    oracle = torch_net(start, arch)
    for modes in (("running",), ("batch", "instance")):
        fcd_torch.set_norm_mode(oracle, modes[0])
        with torch.no_grad():
            logits = oracle(torch.from_numpy(image)[None].double())
            probability = torch.softmax(logits, dim=1)[0, 1].numpy()
        for mode, table in ((m, k) for m in modes for k in tables):
            net.set_norm(mode)
            library.kernels_select(table)
            session = reprise_c.Session(net, extent, reprise_c.PREDICT)
            session.forward(image)
            what = f"norm {mode}, kernels {table}: "
            t.close(what + "logits", relative(session.logits(arch.classes), logits[0].numpy()),
                    TOLERANCE)
            t.close(what + "probability of class 1",
                    relative(session.probability(1), probability), TOLERANCE)
            session.destroy()
    t.check(same_bits(start, net.values), "prediction leaves weights and running averages alone")
    library.kernels_select(None)
    net.destroy()


# ---- 5: ten Adam steps ------------------------------------------------------------------------------------

class Follower:
    """Adam once more, in float64 NumPy, fed with the C side's own gradients."""

    def __init__(self, start):
        self.value = {n: v.astype(numpy.float64) for n, v in start.items()}
        self.first = {n: numpy.zeros_like(v) for n, v in self.value.items()}
        self.second = {n: numpy.zeros_like(v) for n, v in self.value.items()}
        self.steps = 0

    def step(self, gradients, rate):
        self.steps += 1
        for name, g in gradients.items():
            g = g.astype(numpy.float64)
            self.first[name] += 0.1 * (g - self.first[name])
            self.second[name] += 0.001 * (g * g - self.second[name])
            mean = self.first[name] / (1 - 0.9 ** self.steps)
            root = numpy.sqrt(self.second[name] / (1 - 0.999 ** self.steps))
            self.value[name] -= rate * mean / (root + 1e-8)


def run_torch(start, arch, image, target, dtype):
    """Losses of each step, logits after the last (batch norm mode), values, and per element the
    smallest gradient of all steps over its tensor's largest of that step."""
    net = torch_net(start, arch, dtype)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    losses, smallest = [], {}
    for step in range(ADAM_STEPS):
        for group in optimiser.param_groups:
            group["lr"] = fcd_torch.learning_rate(step, ADAM_STEPS)
        _, terms, gradients = torch_step(net, image, target, dtype)
        optimiser.step()
        losses.append(terms)
        for name, g in gradients.items():
            share = numpy.abs(g) / numpy.max(numpy.abs(g))
            smallest[name] = numpy.minimum(share, smallest.get(name, share))
    fcd_torch.set_norm_mode(net, "batch")
    with torch.no_grad():
        logits = net(torch_input(image, target, dtype)[0])[0].numpy().astype(numpy.float64)
    values = {n: p.detach().numpy().astype(numpy.float64) for n, p in net.tensors().items()}
    return losses, logits, values, smallest


def run_c(library, start, arch, image, target):
    net = reprise_c.Net.create(library, arch)
    net.load(start)
    follower = Follower({n: start[n] for n in net.gradients})
    session = reprise_c.Session(net, image.shape[1:], reprise_c.TRAIN)
    adam, losses = reprise_c.Adam(net), []
    for step in range(ADAM_STEPS):
        losses.append(c_step(session, image, target, arch.classes)[1])
        rate = fcd_torch.learning_rate(step, ADAM_STEPS)
        follower.step(net.gradients, rate)
        adam.step(rate)
    session.destroy()
    adam.destroy()
    net.set_norm("batch")
    session = reprise_c.Session(net, image.shape[1:], reprise_c.PREDICT)
    session.forward(image)
    logits, values = session.logits(arch.classes), copies(net.values)
    session.destroy()
    net.destroy()
    return losses, logits, values, follower.value


def compare_losses(t, mine, reference):
    errors = {f"{name} of step {step}": abs(a - b) / abs(b)
              for step, pair in enumerate(zip(mine, reference))
              for name, a, b in zip(LOSSES, *pair)}
    error, name = worst(errors)
    t.note("total loss " + " ".join(f"{terms[3]:.4f}" for terms in mine))
    t.close(f"three terms and total over {len(mine)} steps, worst {name}", error, ADAM_TOLERANCE)


def compare_values(t, mine, reference, smallest, silent):
    """Adam divides a gradient by its own size, so where a gradient is known no better than its sign,
    the element wanders by the learning rate: elements whose gradient was below TOLERANCE of its
    tensor's largest in some step, the bound that gradients are compared with, stand apart."""
    clear, unclear, count = {}, {}, 0
    for name, share in smallest.items():
        if name in silent:
            continue
        error = numpy.abs(mine[name] - reference[name]) / numpy.max(numpy.abs(reference[name]))
        known = share >= TOLERANCE
        clear[name] = float(numpy.max(error[known], initial=0))
        unclear[name] = float(numpy.max(error[~known], initial=0))
        count += int(numpy.sum(~known))
    total = sum(s.size for n, s in smallest.items() if n not in silent)
    error, name = worst(clear)
    t.close(f"{len(clear)} parameters, {total - count} elements, worst {name}", error,
            ADAM_TOLERANCE, f"; median over tensors {numpy.median(list(clear.values())):.1e}")
    t.note(f"apart: {count} elements whose gradient went below {TOLERANCE:.0e} of its tensor's "
           f"largest, worst {worst(unclear)[0]:.2e}")
    t.check(0 < count < 0.02 * total, f"they are {100 * count / total:.2f}% of all")
    t.note(f"left out, for their true gradient is 0 and Adam walks on its noise: {len(silent)} "
           f"biases read by norms alone: {', '.join(sorted(silent))}")


def compare_adam(t, library, rng, arch, extent, dtype, lift):
    t.section(f"5. {ADAM_STEPS} Adam steps, {arch.first_filters} first filters, "
              f"{'x'.join(map(str, extent))}, against PyTorch {str(dtype)[6:]}")
    image, target = scene(rng, extent, arch.in_channels, arch.classes)
    start, words = starting_point(library, rng, arch, image, lift)
    t.note(words)
    losses, logits, values, followed = run_c(library, start, arch, image, target)
    theirs = run_torch(start, arch, image, target, dtype)
    error, name = worst({n: relative(values[n], v) for n, v in followed.items()})
    t.close(f"Adam on the engine's own gradients, all {len(followed)} parameters, worst {name}",
            error, 1e-6)
    compare_losses(t, losses, theirs[0])
    t.close("logits after the last step", relative(logits, theirs[1]), ADAM_TOLERANCE)
    compare_values(t, values, theirs[2], theirs[3], fcd_torch.biases_without_gradient(arch))


def compare_fresh_training(t, library, rng):
    """From the weights that training really starts from, corners and all: the curve."""
    t.section(f"5b. {ADAM_STEPS} Adam steps from fresh weights, against PyTorch float32")
    image, target = scene(rng, (16, 32, 32))
    net = reprise_c.Net.create(library, FULL, seed=17)
    start = copies(net.values)
    net.destroy()
    losses, logits, values, followed = run_c(library, start, FULL, image, target)
    theirs = run_torch(start, FULL, image, target, torch.float32)
    error, name = worst({n: relative(values[n], v) for n, v in followed.items()})
    t.close(f"Adam on the engine's own gradients, worst {name}", error, 1e-6)
    compare_losses(t, losses, theirs[0])
    t.note(f"for context, corners between the two: logits after the last step differ by "
           f"{relative(logits, theirs[1]):.2e}")


# ---- 6: dropout -------------------------------------------------------------------------------------------

def check_dropout_factors(t, library):
    """The last layer of the last block is made to put out 1 in every voxel, everything else 0: the
    logits then show each of its channels' factor."""
    arch = SMALL
    net = reprise_c.Net.create(library, arch)
    last = f"up.{len(arch.down_layers) - 1}.layer.{arch.down_layers[0] - 1}.conv.bias"
    for name, value in net.values.items():
        if name.endswith(("conv.weight", "conv.bias")):
            value[...] = name == last
    weight = net.values["head.conv.weight"]
    weight[0, -arch.growth:, 0, 0, 0] = 4.0 ** numpy.arange(arch.growth)
    net.set_dropout(0.2)
    extent, steps = (4, 8, 4), 600
    session = reprise_c.Session(net, extent, reprise_c.TRAIN)
    image = numpy.zeros((arch.in_channels, *extent))
    possible = {sum(1.25 * 4.0 ** c for c in range(arch.growth) if bits >> c & 1): bits
                for bits in range(2 ** arch.growth)}
    kept, whole = numpy.zeros(arch.growth), True
    for step in range(steps):
        session.forward(image, seed=3, step=step)
        logits = session.logits(arch.classes)[0]
        whole &= logits.min() == logits.max() and float(logits.min()) in possible
        bits = possible.get(float(logits.min()), 0)
        kept += [bits >> c & 1 for c in range(arch.growth)]
    t.check(whole, f"{steps} steps: every channel is kept whole, times 1 / 0.8, or dropped whole")
    spread = 5 * (0.2 * 0.8 / steps) ** 0.5
    t.check(bool(numpy.all(numpy.abs(kept / steps - 0.8) < spread)),
            f"channels kept: {' '.join(f'{k:.3f}' for k in kept / steps)} (0.8 +- {spread:.3f})")
    session.destroy()
    net.destroy()


def check_dropout_streams(t, library, rng):
    extent = (8, 12, 8)
    image, target = scene(rng, extent, SMALL.in_channels, SMALL.classes)
    net = reprise_c.Net.create(library, SMALL, seed=19)
    session = reprise_c.Session(net, extent, reprise_c.TRAIN)

    def run(rate, seed, step):
        net.set_dropout(rate)
        session.forward(image, seed=seed, step=step)
        session.loss(target)
        return {"logits": session.logits(SMALL.classes), **copies(net.gradients)}

    first = run(0.2, 5, 7)
    t.check(same_bits(first, run(0.2, 5, 7)), "the same seed and step: the same logits and gradients")
    for what, other in (("another step", run(0.2, 5, 8)), ("another seed", run(0.2, 6, 7)),
                        ("no dropout", run(0.0, 5, 7))):
        difference = relative(other["logits"], first["logits"])
        t.check(difference > 1e-3, f"{what}: logits differ by {difference:.2e}")
    t.check(same_bits(run(0.0, 5, 7), run(0.0, 6, 8)), "rate 0: seed and step do not matter")
    session.destroy()
    net.destroy()


def main():
    try:
        library = reprise_c.Library()
    except reprise_c.Unavailable as reason:
        print(f"skipped: {reason}")
        return 77
    keep_memory()
    torch.set_num_threads(1)  # beside other tests, threads that wait for each other cost more than they give
    library.c.rp_threads_set(os.cpu_count() or 1)
    tables = library.kernels_available()
    fast = tables[1:] or tables  # the reference is too slow for the whole network
    t = Checks()
    print(f"PyTorch {torch.__version__}, kernels {', '.join(tables)}")
    compare_names(t, library)
    compare_files(t, library, numpy.random.default_rng(1))
    compare_step(t, library, numpy.random.default_rng(2), SMALL, (12, 20, 16), tables)
    compare_step(t, library, numpy.random.default_rng(2), FULL, EXTENT, fast)
    compare_prediction(t, library, numpy.random.default_rng(3), MIDDLE, (16, 24, 20), tables)
    compare_prediction(t, library, numpy.random.default_rng(4), FULL, (32, 32, 16), fast)
    compare_adam(t, library, numpy.random.default_rng(5), MIDDLE, (16, 24, 20), torch.float64, 3)
    compare_adam(t, library, numpy.random.default_rng(6), FULL, EXTENT, torch.float32, 3)
    compare_fresh_training(t, library, numpy.random.default_rng(7))
    t.section("6. Dropout")
    check_dropout_factors(t, library)
    check_dropout_streams(t, library, numpy.random.default_rng(8))
    print(f"\n{t.passed} checks passed, {len(t.failed)} failed in "
          f"{time.monotonic() - t.start:.0f} s")
    for text in t.failed:
        print(f"FAILED: {text}")
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
