// The constructors of the architecture files, for the list in zoo.cpp. Each reads its config.json and returns the model
// without weights.
#pragma once

#include <memory>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "model/config.h"
#include "model/model.h"

namespace hone::model {

Result<std::unique_ptr<Model>> make_qwen3(const boost::json::object& config);
Result<std::unique_ptr<Model>> make_qwen3_moe(const boost::json::object& config);
Result<std::unique_ptr<Model>> make_olmoe(const boost::json::object& config);
Result<std::unique_ptr<Model>> make_minimax_m2(const boost::json::object& config);

// A model of the given architecture class, its config read; the first problem of the config otherwise.
template <class Architecture>
Result<std::unique_ptr<Model>> read_architecture(const boost::json::object& object) {
    ConfigReader config(object, "config.json");
    auto model = std::make_unique<Architecture>();
    model->read(config, object);
    if (const Status status = config.status(); !status) return status.error();
    return std::unique_ptr<Model>(std::move(model));
}

}  // namespace hone::model
