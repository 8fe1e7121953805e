// The architectures that Hone knows: an explicit list, one line each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "model/model.h"

namespace hone::model {

// Builds the model that config.json describes, without weights. Errors: unknown model_type (the message lists the known
// ones), missing or impossible fields, features that the architecture's file does not implement.
Result<std::unique_ptr<Model>> make_model(const boost::json::object& config);

std::vector<std::string> known_architectures();

}  // namespace hone::model
