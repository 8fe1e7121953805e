// Reads one file of the golden data for training, ops/NAME.json and NAME.safetensors or those of another folder there:
// inputs and outputs of each case and the tolerances of each output. For tests: what is missing or malformed throws.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "math/tensor/tensor_view.h"
#include "tests/golden_folder.h"

namespace hone::math {

enum class GoldenPrecision { fp32, bf16 };

class GoldenOp {
  public:
    explicit GoldenOp(const std::string& name, const std::string& folder = "ops") {
        const std::string stem = golden_folder() / "training" / folder / name;
        manifest_ = boost::json::parse(contents_of(stem + ".json")).as_object();
        bytes_ = contents_of(stem + ".safetensors");
        uint64_t header_bytes = 0;
        std::memcpy(&header_bytes, bytes_.data(), sizeof(header_bytes));
        data_start_ = sizeof(header_bytes) + header_bytes;
        header_ = boost::json::parse(std::string_view(bytes_).substr(sizeof(header_bytes), header_bytes)).as_object();
    }

    const boost::json::object& manifest() const { return manifest_; }
    std::vector<std::string> cases() const {
        std::vector<std::string> names;
        for (const auto& entry : manifest_.at("cases").as_object()) names.emplace_back(entry.key());
        return names;
    }
    const boost::json::object& attributes(const std::string& name) const {
        return manifest_.at("cases").as_object().at(name).as_object();
    }

    // `tensor` is "in/x" or "out/y"; inputs may belong to all cases of the file.
    bool has(const std::string& name, const std::string& tensor) const {
        return header_.contains(name + "/" + tensor) || header_.contains(tensor);
    }
    Shape shape(const std::string& name, const std::string& tensor) const {
        Shape shape;
        for (const auto& extent : entry(name, tensor).at("shape").as_array())
            shape.push_back(extent.to_number<int64_t>());
        return shape;
    }
    template <class T = float>
    std::vector<T> values(const std::string& name, const std::string& tensor) const {
        const auto& offsets = entry(name, tensor).at("data_offsets").as_array();
        const auto begin = offsets.at(0).to_number<size_t>(), end = offsets.at(1).to_number<size_t>();
        std::vector<T> values((end - begin) / sizeof(T));
        std::memcpy(values.data(), bytes_.data() + data_start_ + begin, end - begin);
        return values;
    }

    // Every metric of the manifest that this output has.
    void expect_within(const std::string& name, const std::string& output, std::span<const float> actual,
                       GoldenPrecision precision) const {
        const auto expected = values(name, "out/" + output);
        ASSERT_EQ(actual.size(), expected.size()) << name << " " << output;
        double error = 0, norm = 0, worst = 0, largest = 0;
        std::vector<double> differences;
        for (size_t i = 0; i < actual.size(); i++) {
            const double difference = double{actual[i]} - double{expected[i]};
            error += difference * difference;
            norm += double{expected[i]} * expected[i];
            differences.push_back(std::abs(difference));
            worst = std::max(worst, std::isnan(difference) ? INFINITY : std::abs(difference));
            largest = std::max(largest, std::abs(double{expected[i]}));
        }
        const auto& limits = attributes(name).at("outputs").as_object().at(output).as_object();
        const size_t column = precision == GoldenPrecision::fp32 ? 0 : 1;
        const auto expect = [&](const char* metric, double measured) {
            if (limits.contains(metric)) {
                EXPECT_LE(measured, limits.at(metric).at(column).to_number<double>())
                    << name << " " << output << " " << metric;
            }
        };
        expect("l2", std::sqrt(error / norm));
        expect("max", worst / largest);
        expect("abs", worst);
        if (limits.contains("l1")) {  // of how far parameters moved, without the worst 0.5 % of elements
            std::ranges::sort(differences);
            differences.resize(differences.size() - differences.size() / 200);
            expect("l1", std::accumulate(differences.begin(), differences.end(), 0.0) /
                             limits.at("moved").to_number<double>());
        }
        if (limits.contains("exact")) {
            EXPECT_EQ(worst, 0) << name << " " << output;
        }
        if (limits.contains("zero")) {
            EXPECT_TRUE(std::ranges::all_of(actual, [](float x) { return x == 0; })) << name << " " << output;
        }
    }

  private:
    static std::string contents_of(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        if (!file) throw std::runtime_error("cannot read " + path);
        return (std::stringstream() << file.rdbuf()).str();
    }
    const boost::json::object& entry(const std::string& name, const std::string& tensor) const {
        const std::string own = name + "/" + tensor;
        return header_.at(header_.contains(own) ? own : tensor).as_object();
    }

    boost::json::object manifest_, header_;
    std::string bytes_;
    size_t data_start_ = 0;
};

}  // namespace hone::math
