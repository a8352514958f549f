// ONNX Runtime as a contestant, forward only; line_protocol.py tells how it is spoken to.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import ort from "onnxruntime-node";

const STRIDE = 16;
const [folder, task, ...numbers] = process.argv.slice(2);
const [z, y, x, threads] = numbers.map(Number);
const padded = [z, y, x].map((n) => Math.ceil(n / STRIDE) * STRIDE);

function answer(values) {
    process.stdout.write(JSON.stringify(values) + "\n");
}

function floats(file) {
    const bytes = fs.readFileSync(file);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

// Copies the rows of a volume into one of another extent, as far as both reach.
function refit(from, fromExtent, to, toExtent, channels) {
    const [fz, fy, fx] = fromExtent, [tz, ty, tx] = toExtent;
    const rows = [Math.min(fz, tz), Math.min(fy, ty)], length = Math.min(fx, tx);
    for (let c = 0; c < channels; c++)
        for (let k = 0; k < rows[0]; k++)
            for (let j = 0; j < rows[1]; j++) {
                const start = ((c * fz + k) * fy + j) * fx;
                to.set(from.subarray(start, start + length), ((c * tz + k) * ty + j) * tx);
            }
    return to;
}

if (task !== "forward") throw new Error("only the forward runs here");
const image = floats(path.join(folder, `image_${z}x${y}x${x}.f32`));
const resident = process.memoryUsage().rss;
const session = await ort.InferenceSession.create(path.join(folder, "network.onnx"), {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    freeDimensionOverrides: { z: padded[0], y: padded[1], x: padded[2] },
});
const size = padded[0] * padded[1] * padded[2];
const input = refit(image, [z, y, x], new Float32Array(size), padded, 1);
const feeds = { image: new ort.Tensor("float32", input, [1, 1, ...padded]) };

answer({ ready: `${ort.env.versions.node}, Node.js ${process.versions.node}`, resident });
for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, file] = line.trim().split(" ");
    if (word === "check") {
        const { logits } = await session.run(feeds);
        const classes = logits.dims[1];
        const out = new Float32Array(classes * z * y * x);
        fs.writeFileSync(file, refit(logits.data, padded, out, [z, y, x], classes));
        answer({});
    } else if (word === "run") {
        const start = process.hrtime.bigint();
        await session.run(feeds);
        answer({ seconds: Number(process.hrtime.bigint() - start) / 1e9 });
    } else {
        throw new Error(`unknown command: ${word}`);
    }
}
