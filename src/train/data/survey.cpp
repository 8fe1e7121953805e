#include "train/data/survey.h"

#include <algorithm>

#include "base/check.h"
#include "base/progress.h"

namespace hone::train {

Result<DataSurvey> survey_data(const RecordIndex& index, const RecordReader& reader, const Selection& selection,
                               const PackingOptions& options, bool quiet) {
    CHECK(options.epochs > 0);
    DataSurvey survey;
    Packer packer(index, reader, selection, options);
    Progress progress("surveying data", selection.size() * options.epochs, Progress::Unit::items, quiet);
    while (true) {
        const auto batch = packer.next();
        if (!batch) return batch.error();
        if (!*batch) break;
        survey.passes++;
        survey.steps += (*batch)->ends_step;
        survey.tokens += (*batch)->tokens.size();
        const auto& weights = (*batch)->weights;
        survey.targets += static_cast<uint64_t>(
            std::count_if(weights.begin(), weights.end(), [](float weight) { return weight != 0; }));
        survey.counts += (*batch)->counts;
        progress.advance((*batch)->counts.records);
    }
    progress.finish();
    if (survey.passes == 0) return error("none of the {} records has anything to train on", selection.size());
    return survey;
}

}  // namespace hone::train
