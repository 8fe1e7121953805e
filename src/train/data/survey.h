// What a run is going to read, found out before it begins: every record that is wrong, before hours are spent; what is cut
// or left out; steps, for schedules and the time left. Each record is read once, on all threads of the pool, whatever the
// number of epochs; keeps 4 bytes a document and 8 a record where there are epochs. One thread, which owns the pool.
#pragma once

#include <string>

#include "base/thread_pool.h"
#include "train/data/packing.h"

namespace hone::train {

struct DataSurvey {
    uint64_t records = 0;
    uint64_t tokens = 0;   // places that all records take, once
    uint64_t targets = 0;  // those with a weight
    PackingCounts counts;  // of all records, once
    int64_t longest_document = 0;
    uint64_t passes = 0, steps = 0;  // of all epochs; 0 where there is no end

    // "12 documents cut at 2048 tokens, 3 records skipped because they are longer"; empty where nothing is lost.
    std::string losses() const;
    // More than a few records have lost something.
    bool loses_much() const;
};

// Errors: the first record, in the order of the files, that cannot be read or is refused, and how many more there are;
// nothing that can be trained on.
Result<DataSurvey> survey_data(const RecordIndex& index, const RecordReader& reader, const Selection& selection,
                               const PackingOptions& options, ThreadPool& pool, bool quiet = false);

}  // namespace hone::train
