// The convolutions 3x3x3 of the network's finest level (CI channels to 12), by oneDNN's primitives
// in two layouts and by Reprise's kernel table, in turns on the same data. No part of the program.
//
// Usage: onednn_conv Z Y X THREADS KERNELS CI...   (KERNELS: a table's name, or - for the best)
// Says that it is ready; then answers each line of input, `check` or `run`, with a line of JSON.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "reprise/kernels.h"

namespace
{
using dnnl::memory;
using Tag = memory::format_tag;

constexpr int GROWTH = 12;
const char *const OPERATIONS[] = {"forward", "data gradient", "weight gradient"};

using Floats = std::vector<float>;

Floats random_floats(size_t count, unsigned seed)
{
    std::minstd_rand random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    Floats values(count);
    for (float &v : values) v = uniform(random);
    return values;
}

struct Extent {
    int z, y, x;
    size_t voxels() const
    {
        return (size_t)z * y * x;
    }
};

/// What both compute on, in PyTorch's plain layouts.
struct Problem {
    Extent extent;
    int channels;
    Floats input, weight, bias, grad_output;

    Problem(Extent e, int ci)
        : extent(e), channels(ci), input(random_floats(e.voxels() * ci, 1)),
          weight(random_floats((size_t)GROWTH * ci * 27, 2)), bias(random_floats(GROWTH, 3)),
          grad_output(random_floats(e.voxels() * GROWTH, 4))
    {
    }

    double flop() const
    {
        return 2.0 * 27 * channels * GROWTH * (double)extent.voxels();
    }
};

/// Three operations, and their results in plain layouts.
struct Contestant {
    std::string name;
    virtual ~Contestant() = default;
    virtual void run(int operation) = 0;
    virtual Floats result(int operation) = 0;
};

class Reprise : public Contestant
{
  public:
    Reprise(const Problem &problem, bool with_norm) : p(problem)
    {
        name = with_norm ? "Reprise with norm and ReLU" : "Reprise";
        output.resize(p.grad_output.size());
        grad_input.resize(p.input.size());
        grad_weight.resize(p.weight.size());
        ones.assign(p.channels, 1);
        zeros.assign(p.channels, 0);
        sums.resize(2 * (size_t)p.channels);
        shape = {RP_CONV_SAME, p.channels, GROWTH, {p.extent.x, p.extent.y, p.extent.z}};
        size_t bytes = rp_conv_workspace_bytes(&shape, rp_threads_get());
        workspace.reset(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
        if (with_norm) norm = {ones.data(), zeros.data(), zeros.data(), ones.data()};
    }

    void run(int operation) override
    {
        if (operation == 0)
            forward();
        else if (operation == 1)
            data_gradient();
        else
            weight_gradient();
    }

    Floats result(int operation) override
    {
        return operation == 0 ? output : operation == 1 ? grad_input : grad_weight;
    }

  private:
    void forward()
    {
        rp_conv_forward op = {};
        op.shape = shape, op.norm = norm, op.workspace = workspace.get();
        op.input = p.input.data(), op.weight = p.weight.data(), op.bias = p.bias.data();
        op.output = output.data();
        rp_kernels_get()->conv_forward(&op);
    }

    void data_gradient()
    {
        rp_conv_data_gradient op = {};
        op.shape = shape, op.norm = norm, op.workspace = workspace.get();
        op.grad_output = p.grad_output.data(), op.weight = p.weight.data();
        op.input = p.input.data(), op.grad_input = grad_input.data();
        op.sum_dy = sums.data(), op.sum_dy_xhat = sums.data() + p.channels;
        rp_kernels_get()->conv_data_gradient(&op);
    }

    void weight_gradient()
    {
        rp_conv_weight_gradient op = {};
        op.shape = shape, op.norm = norm, op.workspace = workspace.get();
        op.input = p.input.data(), op.grad_output = p.grad_output.data();
        op.grad_weight = grad_weight.data();
        rp_kernels_get()->conv_weight_gradient(&op);
    }

    struct Free {
        void operator()(void *memory) const
        {
            std::free(memory);
        }
    };

    const Problem &p;
    Floats output, grad_input, grad_weight, ones, zeros;
    std::vector<double> sums;
    rp_conv_shape shape;
    rp_conv_norm norm = {};
    std::unique_ptr<void, Free> workspace;
};

/// Source and destination stay in `layout`; weights in whatever each primitive asks for.
class OneDnn : public Contestant
{
  public:
    OneDnn(const Problem &problem, const char *title, Tag layout)
        : engine(dnnl::engine::kind::cpu, 0), stream(engine), p(problem)
    {
        name = title;
        const int ci = p.channels, z = p.extent.z, y = p.extent.y, x = p.extent.x;
        source_dims = {1, ci, z, y, x}, weight_dims = {GROWTH, ci, 3, 3, 3};
        output_dims = {1, GROWTH, z, y, x};
        source_md = memory::desc(source_dims, memory::data_type::f32, layout);
        output_md = memory::desc(output_dims, memory::data_type::f32, layout);
        weight_md = memory::desc(weight_dims, memory::data_type::f32, Tag::any);
        bias_md = memory::desc({GROWTH}, memory::data_type::f32, Tag::x);
        source = reordered(source_dims, p.input, source_md);
        grad_output = reordered(output_dims, p.grad_output, output_md);
        bias = reordered({GROWTH}, p.bias, bias_md, Tag::x);
        create_forward();
        create_data_gradient();
        create_weight_gradient();
    }

    void run(int operation) override
    {
        primitives[operation].execute(stream, arguments[operation]);
        stream.wait();
    }

    Floats result(int operation) override
    {
        memory &from = results[operation];
        const memory::dims &dims = operation == 0   ? output_dims
                                   : operation == 1 ? source_dims
                                                    : weight_dims;
        memory::desc plain(dims, memory::data_type::f32, Tag::abcde);
        memory to(plain, engine);
        dnnl::reorder(from, to).execute(stream, from, to);
        stream.wait();
        const float *values = static_cast<float *>(to.get_data_handle());
        return Floats(values, values + plain.get_size() / sizeof(float));
    }

  private:
    memory reordered(const memory::dims &dims, const Floats &values, const memory::desc &target,
                     Tag plain = Tag::abcde)
    {
        memory from({dims, memory::data_type::f32, plain}, engine,
                    const_cast<float *>(values.data()));
        memory to(target, engine);
        dnnl::reorder(from, to).execute(stream, from, to);
        stream.wait();
        return to;
    }

    void create_forward()
    {
        using Conv = dnnl::convolution_forward;
        Conv::primitive_desc pd({dnnl::prop_kind::forward_training,
                                 dnnl::algorithm::convolution_direct, source_md, weight_md, bias_md,
                                 output_md, one, one, one},
                                engine);
        memory weight = reordered(weight_dims, p.weight, pd.weights_desc());
        results[0] = memory(pd.dst_desc(), engine);
        primitives[0] = Conv(pd);
        arguments[0] = {{DNNL_ARG_SRC, source},
                        {DNNL_ARG_WEIGHTS, weight},
                        {DNNL_ARG_BIAS, bias},
                        {DNNL_ARG_DST, results[0]}};
        hint = pd;
    }

    void create_data_gradient()
    {
        using Conv = dnnl::convolution_backward_data;
        Conv::primitive_desc pd(
            {dnnl::algorithm::convolution_direct, source_md, weight_md, output_md, one, one, one},
            engine, hint);
        memory weight = reordered(weight_dims, p.weight, pd.weights_desc());
        results[1] = memory(pd.diff_src_desc(), engine);
        primitives[1] = Conv(pd);
        arguments[1] = {{DNNL_ARG_DIFF_DST, grad_output},
                        {DNNL_ARG_WEIGHTS, weight},
                        {DNNL_ARG_DIFF_SRC, results[1]}};
    }

    void create_weight_gradient()
    {
        using Conv = dnnl::convolution_backward_weights;
        Conv::primitive_desc pd(
            {dnnl::algorithm::convolution_direct, source_md, weight_md, output_md, one, one, one},
            engine, hint);
        results[2] = memory(pd.diff_weights_desc(), engine);
        primitives[2] = Conv(pd);
        arguments[2] = {{DNNL_ARG_SRC, source},
                        {DNNL_ARG_DIFF_DST, grad_output},
                        {DNNL_ARG_DIFF_WEIGHTS, results[2]}};
    }

    dnnl::engine engine;
    dnnl::stream stream;
    const Problem &p;
    const memory::dims one = {1, 1, 1};
    memory::dims source_dims, weight_dims, output_dims;
    memory::desc source_md, output_md, weight_md, bias_md;
    memory source, grad_output, bias, results[3];
    dnnl::primitive primitives[3];
    std::unordered_map<int, memory> arguments[3];
    dnnl::convolution_forward::primitive_desc hint;
};

struct Match {
    Problem problem;
    std::vector<std::unique_ptr<Contestant>> contestants;

    Match(Extent extent, int channels) : problem(extent, channels)
    {
        const bool wide = wide_vectors();
        contestants.emplace_back(new Reprise(problem, false));
        contestants.emplace_back(new Reprise(problem, true));
        contestants.emplace_back(
            new OneDnn(problem, "oneDNN blocked", wide ? Tag::nCdhw16c : Tag::nCdhw8c));
        contestants.emplace_back(new OneDnn(problem, "oneDNN channels-last", Tag::ndhwc));
    }

    static bool wide_vectors()
    {
        const auto isa = dnnl::get_effective_cpu_isa();
        return (unsigned)isa >= (unsigned)dnnl::cpu_isa::avx512_core;
    }
};

double relative_difference(const Floats &a, const Floats &b)
{
    double difference = 0, largest = 0;
    for (size_t i = 0; i < a.size(); i++) {
        difference = std::max(difference, std::fabs((double)a[i] - b[i]));
        largest = std::max(largest, std::fabs((double)b[i]));
    }
    return difference / largest;
}

/// Largest difference between Reprise without norm and oneDNN, each operation and layout.
void check(const std::vector<std::unique_ptr<Match>> &matches)
{
    double worst = 0;
    for (const auto &match : matches)
        for (int operation = 0; operation < 3; operation++) {
            for (const auto &contestant : match->contestants) contestant->run(operation);
            const Floats ours = match->contestants[0]->result(operation);
            for (size_t i = 2; i < match->contestants.size(); i++)
                worst = std::max(
                    worst, relative_difference(ours, match->contestants[i]->result(operation)));
        }
    std::printf("{\"difference\": %.3g}\n", worst);
}

/// The pause lets OpenMP's idle threads, which spin for some milliseconds, go to sleep: they would
/// take a core from whoever comes next.
double seconds(const std::function<void()> &work)
{
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run(const std::vector<std::unique_ptr<Match>> &matches)
{
    const char *separator = "{\"gflops\": [";
    for (const auto &match : matches)
        for (int operation = 0; operation < 3; operation++)
            for (const auto &contestant : match->contestants) {
                const double taken = seconds([&] { contestant->run(operation); });
                std::printf("%s[%d, \"%s\", \"%s\", %.2f]", separator, match->problem.channels,
                            OPERATIONS[operation], contestant->name.c_str(),
                            match->problem.flop() / taken * 1e-9);
                separator = ", ";
            }
    std::printf("]}\n");
}

int serve(char **argv)
{
    const Extent extent = {std::atoi(argv[1]), std::atoi(argv[2]), std::atoi(argv[3])};
    rp_error error;
    rp_threads_set(std::atoi(argv[4]));
    if (rp_kernels_select(std::strcmp(argv[5], "-") ? argv[5] : nullptr, &error) != RP_OK) {
        std::fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    std::vector<std::unique_ptr<Match>> matches;
    for (char **ci = argv + 6; *ci; ci++) matches.emplace_back(new Match(extent, std::atoi(*ci)));
    const dnnl_version_t *version = dnnl_version();
    std::printf("{\"ready\": \"%d.%d.%d\"}\n", version->major, version->minor, version->patch);
    std::fflush(stdout);
    char line[64];
    while (std::fgets(line, sizeof line, stdin)) {
        if (!std::strncmp(line, "check", 5))
            check(matches);
        else
            run(matches);
        std::fflush(stdout);
    }
    return 0;
}
} // namespace

int main(int argc, char **argv)
{
    if (argc < 7) {
        std::fprintf(stderr, "usage: onednn_conv Z Y X THREADS KERNELS CI...\n");
        return 2;
    }
    try {
        return serve(argv);
    } catch (const std::exception &problem) {
        std::fprintf(stderr, "onednn_conv: %s\n", problem.what());
        return 1;
    }
}
