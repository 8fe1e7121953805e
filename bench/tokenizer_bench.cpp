// Encoding and decoding speed in MB/s on one core. The text is this project's own sources and documents (English and
// code); the tokenizers are those of the golden data. Two environment variables bring larger ones: HONE_BENCH_TOKENIZER
// names a folder with tokenizer files, HONE_BENCH_TEXT a file of text.
//
//   encode        one call for the whole text, word cache warm, as in a server that has run for a while
//   encode_cold   the same with a tokenizer that has just been loaded
//   encode_chat   calls of 2 kB, as chat messages are
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/mapped_file.h"
#include "text/tokenizer/stream_decoder.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::text {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTextLimit = 8 << 20;

std::string read(const fs::path& file) {
    auto text = read_text_file(file);
    CHECK(text.ok(), "{}", text.ok() ? "" : text.error().message);
    return std::move(*text);
}

std::string project_text() {
    std::vector<fs::path> files;
    const fs::path root = fs::path(HONE_TESTS_DIR).parent_path();
    for (const char* part : {"src", "tests", "bench", "docs"}) {
        if (!fs::exists(root / part)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / part)) {
            const auto kind = entry.path().extension();
            if (kind == ".cpp" || kind == ".h" || kind == ".md" || kind == ".py") files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    std::string text;
    for (const fs::path& file : files) text += read(file);
    return text;
}

const std::string& bench_text() {
    static const std::string text = [] {
        const char* file = std::getenv("HONE_BENCH_TEXT");
        std::string all = file ? read(file) : project_text();
        all.resize(std::min(all.size(), kTextLimit));
        return all;
    }();
    return text;
}

std::unique_ptr<Tokenizer> load(const fs::path& folder) {
    auto tokenizer = Tokenizer::load(folder);
    CHECK(tokenizer.ok(), "{}", tokenizer.ok() ? "" : tokenizer.error().message);
    return std::move(*tokenizer);
}

void count_bytes(benchmark::State& state, size_t bytes) {
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}

void encode(benchmark::State& state, const fs::path& folder) {
    const auto tokenizer = load(folder);
    for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(bench_text()));
    count_bytes(state, bench_text().size());
    state.counters["bytes/token"] =
        static_cast<double>(bench_text().size()) / static_cast<double>(tokenizer->encode(bench_text()).size());
}

void encode_cold(benchmark::State& state, const fs::path& folder) {
    for (auto _ : state) {
        state.PauseTiming();
        auto tokenizer = load(folder);
        state.ResumeTiming();
        benchmark::DoNotOptimize(tokenizer->encode(bench_text()));
        state.PauseTiming();
        tokenizer.reset();
        state.ResumeTiming();
    }
    count_bytes(state, bench_text().size());
}

void encode_chat(benchmark::State& state, const fs::path& folder) {
    constexpr size_t kMessage = 2000;
    const auto tokenizer = load(folder);
    size_t begin = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(tokenizer->encode(std::string_view(bench_text()).substr(begin, kMessage)));
        begin = (begin + kMessage) % (bench_text().size() - kMessage);
    }
    count_bytes(state, kMessage);
}

void encode_with_offsets(benchmark::State& state, const fs::path& folder) {
    const auto tokenizer = load(folder);
    for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode_with_offsets(bench_text()));
    count_bytes(state, bench_text().size());
}

void decode(benchmark::State& state, const fs::path& folder) {
    const auto tokenizer = load(folder);
    const auto ids = tokenizer->encode(bench_text());
    for (auto _ : state) benchmark::DoNotOptimize(tokenizer->decode(ids));
    count_bytes(state, bench_text().size());
}

void stream(benchmark::State& state, const fs::path& folder) {
    const auto tokenizer = load(folder);
    const auto ids = tokenizer->encode(bench_text());
    for (auto _ : state) {
        StreamDecoder decoder(*tokenizer, true);
        for (const TokenId id : ids) benchmark::DoNotOptimize(decoder.append(id));
    }
    count_bytes(state, bench_text().size());
}

void load_folder(benchmark::State& state, const fs::path& folder) {
    for (auto _ : state) benchmark::DoNotOptimize(load(folder));
}

void add(const std::string& name, const fs::path& folder) {
    const auto unit = benchmark::kMillisecond;
    benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode, folder)->Unit(unit);
    benchmark::RegisterBenchmark(("encode_cold/" + name).c_str(), encode_cold, folder)->Unit(unit);
    benchmark::RegisterBenchmark(("encode_chat/" + name).c_str(), encode_chat, folder);
    benchmark::RegisterBenchmark(("encode_with_offsets/" + name).c_str(), encode_with_offsets, folder)->Unit(unit);
    benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, folder)->Unit(unit);
    benchmark::RegisterBenchmark(("stream/" + name).c_str(), stream, folder)->Unit(unit);
    benchmark::RegisterBenchmark(("load/" + name).c_str(), load_folder, folder)->Unit(unit);
}

}  // namespace
}  // namespace hone::text

int main(int argc, char** argv) {
    namespace fs = std::filesystem;
    const fs::path golden = fs::path(HONE_TESTS_DIR) / "golden" / "text" / "tokenizers";
    for (const char* name : {"gpt2", "llama3", "qwen3", "o200k", "deepseek_v3", "kimi_k2", "llama2", "llama2_sp",
                             "gemma", "unigram", "bert"}) {
        hone::text::add(name, golden / name);
    }
    if (const char* folder = std::getenv("HONE_BENCH_TOKENIZER")) hone::text::add(fs::path(folder).filename(), folder);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
