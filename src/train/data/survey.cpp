#include "train/data/survey.h"

#include <algorithm>
#include <span>

#include "base/progress.h"

namespace hone::train {

namespace {

constexpr uint64_t kTile = 16, kBlockRecords = 4096;     // records
constexpr uint64_t kShowsProgress = uint64_t{16} << 20;  // bytes of data, which take some seconds
constexpr uint64_t kFew = 100;                           // one record of so many

// The places of every item, record by record.
struct ItemPlaces {
    std::vector<uint32_t> places;
    std::vector<uint64_t> ends;  // of each record, in `places`

    std::span<const uint32_t> of(uint64_t record) const {
        const uint64_t begin = record > 0 ? ends[record - 1] : 0;
        return std::span(places).subspan(begin, ends[record] - begin);
    }
};

// A record as the survey counts it.
struct Measured {
    PackingCounts counts;
    uint64_t targets = 0;
    std::vector<uint32_t> places;  // of its items
};

Measured measure(const FittedRecord& record) {
    Measured out{.counts = record.counts, .places = {}};
    for (const PackedItem& item : record.items) {
        out.places.push_back(static_cast<uint32_t>(item.places()));
        // The first token is no target.
        for (const Example& document : item.documents)
            for (const float weight : std::span(document.weights).subspan(1)) out.targets += weight != 0;
    }
    return out;
}

// As Packer::next ends passes and steps.
void count_passes(const ItemPlaces& items, const PackingOptions& options, DataSurvey& survey) {
    const ShuffledOrder order(survey.records, options.seed, options.shuffled);
    int64_t places = 0, examples = 0;  // of the pass and the step that are open
    for (uint64_t at = 0; at < survey.records * options.epochs; ++at) {
        for (const uint32_t item : items.of(order.at(at))) {
            if (places + item > options.pass_tokens) {
                survey.passes++;
                places = 0;
            }
            places += item;
            if (options.step_examples == 0 || ++examples < options.step_examples) continue;
            survey.passes++;
            survey.steps++;
            places = examples = 0;
        }
    }
    survey.passes += places > 0;
    survey.steps = options.step_examples > 0 ? survey.steps + (examples > 0) : survey.passes;
}

Result<Measured> read_measured(const RecordIndex& index, const RecordReader& reader, uint64_t record,
                               const PackingOptions& options) {
    try {
        const auto fitted = read_fitted(index, reader, record, options);
        if (!fitted) return fitted.error();
        return measure(*fitted);
    } catch (const std::exception& failure) {  // a worker has nobody above it
        return error("{}: {}", index.where(record), failure.what());
    }
}

}  // namespace

std::string DataSurvey::losses() const {
    std::string out;
    const auto add = [&](uint64_t count, const char* of, const std::string& what) {
        if (count > 0) out += fmt::format("{}{} {} {}", out.empty() ? "" : ", ", count, of, what);
    };
    add(counts.truncated, "documents", fmt::format("cut at {} tokens", longest_document));
    add(counts.skipped, "records", fmt::format("skipped, longer than {} tokens", longest_document));
    add(counts.without_targets, "records", "with nothing to train on");
    return out;
}

bool DataSurvey::loses_much() const {
    return (counts.truncated + counts.skipped + counts.without_targets) * kFew > records;
}

Result<DataSurvey> survey_data(const RecordIndex& index, const RecordReader& reader, const Selection& selection,
                               const PackingOptions& options, ThreadPool& pool, bool quiet) {
    DataSurvey survey{.records = selection.size(),
                      .counts = {},
                      .longest_document = longest_document(options, reader.reads_preferences())};
    ItemPlaces items;
    std::optional<Error> wrong;  // the first
    uint64_t more = 0;           // wrong ones
    std::vector<Result<Measured>> block;
    Progress progress("checking data", survey.records, Progress::Unit::items, quiet || index.bytes() < kShowsProgress);
    for (uint64_t begin = 0; begin < survey.records; begin += kBlockRecords) {
        const uint64_t count = std::min(kBlockRecords, survey.records - begin);
        block.assign(count, Measured{});
        pool.parallel_for(static_cast<int64_t>((count + kTile - 1) / kTile), [&](int64_t tile, int) {
            const uint64_t first = static_cast<uint64_t>(tile) * kTile;
            for (uint64_t i = first; i < std::min(first + kTile, count); ++i)
                block[i] = read_measured(index, reader, selection[begin + i], options);
        });
        for (const Result<Measured>& record : block) {
            if (!record) {
                more += wrong.has_value();
                if (!wrong) wrong = record.error();
                continue;
            }
            survey.counts += record->counts;
            survey.targets += record->targets;
            for (const uint32_t places : record->places) survey.tokens += places;
            if (options.epochs == 0) continue;
            items.places.insert(items.places.end(), record->places.begin(), record->places.end());
            items.ends.push_back(items.places.size());
        }
        progress.advance(count);
    }
    if (wrong && more > 0) return error("{} ({} more records are wrong)", wrong->message, more);
    if (wrong) return *wrong;
    progress.finish();
    if (survey.targets == 0) return nothing_to_train_on(survey.records, survey.counts, survey.longest_document);
    count_passes(items, options, survey);
    return survey;
}

}  // namespace hone::train
