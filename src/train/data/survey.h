// What a run is going to read, found out before it begins by reading it: steps, for schedules and the time left; every
// record that is wrong, before hours are spent; what is cut or left out. Takes a second for a million tokens or so. One
// thread.
#pragma once

#include "train/data/packing.h"

namespace hone::train {

struct DataSurvey {
    uint64_t steps = 0, passes = 0;
    uint64_t tokens = 0;   // places of all passes
    uint64_t targets = 0;  // those with a weight
    PackingCounts counts;
};

// All epochs; options.epochs > 0. Errors are the packer's, and one where nothing is left to train on.
Result<DataSurvey> survey_data(const RecordIndex& index, const RecordReader& reader, const Selection& selection,
                               const PackingOptions& options, bool quiet = false);

}  // namespace hone::train
