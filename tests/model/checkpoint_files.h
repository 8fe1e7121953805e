// Checkpoint folders made for tests, and the golden ones. Values are random but fixed; tensors follow the model's own
// list.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "model/checkpoint/load.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/checkpoint/shapes.h"
#include "model/checkpoint/weight_plan.h"
#include "model/zoo/zoo.h"
#include "tests/golden_folder.h"
#include "tests/temporary_folder.h"

namespace hone::model {

namespace fs = std::filesystem;

inline void write_file(const fs::path& path, std::string_view content) {
    std::ofstream(path, std::ios::binary) << content;
}

inline std::string read_file(const fs::path& path) {
    return read_text_file(path).value();
}

// Golden checkpoints of the architectures that are known.
inline std::vector<fs::path> golden_models() {
    std::vector<fs::path> models;
    for (const auto& name : known_architectures()) {
        const auto path = golden_folder() / "models" / name;
        if (fs::exists(path / "config.json")) models.push_back(path);
    }
    return models;
}

inline boost::json::object shape(std::string_view name) {
    return shape_config(name).value();
}

inline ThreadPool& test_pool() {
    static ThreadPool pool(2);
    return pool;
}

inline std::vector<WeightSlot> slots_of(Model& model) {
    return list_slots(model).value();
}

// The packed bytes that a slot points at.
inline std::span<const std::byte> bytes_of(const WeightSlot& slot) {
    if (slot.vector) return std::as_bytes(*slot.vector);
    return {slot.matrix->data, math::packed_bytes(slot.matrix->format, slot.n, slot.k)};
}

inline bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// Every weight of both has the same name, format and bytes.
inline void expect_same_weights(Model& a, Model& b) {
    const auto slots_a = slots_of(a), slots_b = slots_of(b);
    ASSERT_EQ(slots_a.size(), slots_b.size());
    for (size_t i = 0; i < slots_a.size(); i++) {
        EXPECT_EQ(slots_a[i].name, slots_b[i].name);
        if (slots_a[i].matrix) {
            EXPECT_EQ(slots_a[i].matrix->format, slots_b[i].matrix->format) << slots_a[i].name;
        }
        EXPECT_TRUE(same_bytes(bytes_of(slots_a[i]), bytes_of(slots_b[i]))) << slots_a[i].name;
    }
}

inline uint16_t to_half(float value) {  // values whose low 13 bits are zero and exponents are a half's
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if (value == 0) return static_cast<uint16_t>(bits >> 31 << 15);
    return static_cast<uint16_t>(bits >> 31 << 15 | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
}

struct WriteOptions {
    math::DType dtype = math::DType::bf16;
    int shards = 1;
    std::function<std::string(const std::string&)> rename = [](const std::string& name) { return name; };
    std::function<bool(const std::string&)> keep = [](const std::string&) { return true; };
};

// Values of a tensor by its name: exact in every float type, so that a checkpoint is the same in each.
inline std::vector<float> values_of(const WeightSlot& slot) {
    Random random(std::hash<std::string>{}(slot.name));
    std::vector<float> values(static_cast<size_t>(slot.n) * static_cast<size_t>(slot.k));
    for (float& value : values) value = static_cast<float>(static_cast<int>(random.below(255)) - 127) * 0x1p-7f;
    return values;
}

inline std::string encode(std::span<const float> values, math::DType dtype) {
    std::string bytes(values.size() * math::size_of(dtype), '\0');
    for (size_t i = 0; i < values.size(); i++) {
        const uint16_t narrow = dtype == math::DType::bf16 ? math::round_to_bf16(values[i]).bits : to_half(values[i]);
        if (dtype == math::DType::f32)
            std::memcpy(&bytes[i * 4], &values[i], 4);
        else
            std::memcpy(&bytes[i * 2], &narrow, 2);
    }
    return bytes;
}

inline void write_tensors(const fs::path& path, const std::vector<WeightSlot>& slots, const WriteOptions& options) {
    std::vector<TensorDeclaration> tensors;
    for (const auto& slot : slots) {
        math::Shape extents = {slot.n};
        if (slot.matrix) extents.push_back(slot.k);
        tensors.push_back({options.rename(slot.name), options.dtype, extents});
    }
    auto writer = SafetensorsWriter::create(path, tensors);
    ASSERT_TRUE(writer.ok()) << writer.error().message;
    for (size_t i = 0; i < slots.size(); i++) {
        const std::string bytes = encode(values_of(slots[i]), options.dtype);
        ASSERT_TRUE(writer->write(i, 0, std::as_bytes(std::span(bytes))).ok());
    }
    ASSERT_TRUE(writer->finish().ok());
}

// A folder of the config's model: config.json, the tensors in `shards` files, and a small tokenizer.json.
inline void write_checkpoint(const fs::path& folder, const boost::json::object& config,
                             const WriteOptions& options = {}) {
    fs::create_directories(folder);
    write_file(folder / "config.json", boost::json::serialize(config));
    write_file(folder / "tokenizer.json", "{\"made\": \"for a test\"}");
    const auto model = make_model(config).value();
    std::vector<std::vector<WeightSlot>> shards(static_cast<size_t>(options.shards));
    std::map<std::string, size_t> shard_of;  // a tied head is stored once
    for (const auto& slot : slots_of(*model)) {
        if (!options.keep(slot.name) || shard_of.contains(slot.name)) continue;
        const size_t shard = shard_of.size() % shards.size();
        shard_of[slot.name] = shard;
        shards[shard].push_back(slot);
    }
    if (options.shards == 1) return write_tensors(folder / "model.safetensors", shards[0], options);
    boost::json::object map;
    const auto name_of_shard = [](size_t i) { return fmt::format("model-{:05}.safetensors", i + 1); };
    for (const auto& [name, shard] : shard_of) map[options.rename(name)] = name_of_shard(shard);
    for (size_t i = 0; i < shards.size(); i++) write_tensors(folder / name_of_shard(i), shards[i], options);
    write_file(folder / "model.safetensors.index.json",
               boost::json::serialize(boost::json::object{{"weight_map", map}}));
}

inline LoadedModel load(const fs::path& path, WeightChoice weights = WeightChoice::as_stored) {
    auto loaded = load_model(path, {.weights = weights, .quiet = true}, test_pool());
    CHECK(loaded.ok(), "{}", loaded.error().message);
    return std::move(*loaded);
}

// The message of loading that must fail.
inline std::string load_error(const fs::path& path, WeightChoice weights = WeightChoice::as_stored) {
    const auto loaded = load_model(path, {.weights = weights, .quiet = true}, test_pool());
    return loaded ? "(it loaded)" : loaded.error().message;
}

}  // namespace hone::model

// The text contains the part; shows both otherwise.
#define EXPECT_CONTAINS(text, part) \
    EXPECT_NE(std::string(text).find(part), std::string::npos) << "no '" << (part) << "' in: " << (text)
