// What a job leaves behind: OUTPUT/final and OUTPUT/best.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/mapped_file.h"
#include "model/adapter_file.h"
#include "model/checkpoint/export_weights.h"
#include "train/job.h"

namespace hone::train {

namespace json = boost::json;

// In each of them: the step that it is of.
constexpr const char* kStepName = "training.json";

bool Job::has_result() const {
    const auto text = read_text_file(recipe_.output / "final" / kStepName);
    if (!is_finished() || !text) return false;
    boost::system::error_code failure;
    const json::value written = json::parse(*text, failure);
    const json::value* step = !failure && written.is_object() ? written.get_object().if_contains("step") : nullptr;
    return step && step->is_int64() && step->get_int64() == state_.step;
}

Status Job::finish(bool quiet) {
    if (const Status saved = save(); !saved) return saved;
    return write_result("final", quiet);
}

// In place of that of a run that was shorter, or was better till now.
Status Job::write_result(const char* name, bool quiet) {
    const std::filesystem::path folder = recipe_.output / name;
    const std::string step = json::serialize(json::object{{"step", state_.step}}) + "\n";
    const model::FolderOptions how{.existing = AtomicFolder::Existing::replace, .more = {{kStepName, step}}};
    if (const TrainedAdapter* adapter = weights_->as_adapter()) {
        const model::AdapterContents contents = adapter->contents(model_->name);
        return model::write_adapter(folder, model::adapter_layout_for(contents), contents, how);
    }
    const model::ExportOptions options{.folder = how, .quiet = quiet};
    return model::export_model(*model_->model, model_->config, model_->files, folder, options, pool_);
}

}  // namespace hone::train
