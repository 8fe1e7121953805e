#include "train/data/packing.h"

#include <algorithm>

#include "base/check.h"

namespace hone::train {

namespace {

int64_t places_of(const Example& example) {
    return static_cast<int64_t>(example.tokens.size()) - 1;
}

void cut(Example& example, size_t tokens) {
    example.tokens.resize(tokens);
    example.weights.resize(tokens);
}

// Leaves out what stands behind the last target: it changes no loss.
void trim(Example& example) {
    size_t last = example.tokens.size();
    while (last > 0 && example.weights[last - 1] == 0) --last;
    cut(example, last);
}

// Each token is predicted in one window: the first token of the next is the last target of this.
void cut_windows(const Example& example, size_t places, std::vector<Example>& out) {
    for (size_t begin = 0; begin + 1 < example.tokens.size(); begin += places) {
        const size_t end = std::min(begin + places + 1, example.tokens.size());
        const auto first = static_cast<std::ptrdiff_t>(begin), last = static_cast<std::ptrdiff_t>(end);
        out.push_back({{example.tokens.begin() + first, example.tokens.begin() + last},
                       {example.weights.begin() + first, example.weights.begin() + last}});
    }
}

}  // namespace

PackingCounts& PackingCounts::operator+=(const PackingCounts& more) {
    records += more.records;
    windowed += more.windowed;
    truncated += more.truncated;
    skipped += more.skipped;
    without_targets += more.without_targets;
    return *this;
}

PackedBatch Batch::packed() const {
    const auto count = static_cast<int64_t>(tokens.size());
    return {tokens, offsets, {targets.data(), count, 1}};
}

int64_t PackedItem::places() const {
    int64_t sum = 0;
    for (const Example& document : documents) sum += places_of(document);
    return sum;
}

int64_t longest_document(const PackingOptions& options, bool are_pairs) {
    const int64_t most = are_pairs ? options.pass_tokens / 2 : options.pass_tokens;
    return options.document_tokens > 0 ? std::min(options.document_tokens, most) : most;
}

Result<FittedRecord> read_fitted(const RecordIndex& index, const RecordReader& reader, uint64_t number,
                                 const PackingOptions& options) {
    const bool are_pairs = reader.reads_preferences();
    const auto longest = static_cast<size_t>(longest_document(options, are_pairs)) + 1;
    Result<Record> record = reader.read(index, number);
    if (!record) return record.error();
    FittedRecord out{{}, {.records = 1}};
    std::vector<Example> kept;
    for (Example& example : record->examples) {
        trim(example);
        const size_t tokens = example.tokens.size();
        if (tokens > longest && record->is_text) {
            cut_windows(example, longest - 1, kept);
            out.counts.windowed = 1;
            continue;
        }
        if (tokens > longest && options.too_long == TooLong::refuse)
            return error(
                "{}: is {} tokens long, and {} are allowed; allow more, or let long records be truncated or skipped",
                index.where(number), tokens, longest);
        if (tokens > longest && options.too_long == TooLong::skip) {
            out.counts.skipped = 1;
            if (are_pairs) return out;
            continue;
        }
        if (tokens > longest) {
            cut(example, longest);
            trim(example);
            out.counts.truncated++;
        }
        if (example.tokens.size() > 1) kept.push_back(std::move(example));
    }
    if (are_pairs) {
        if (kept.size() == 2) out.items.push_back({std::move(kept)});
    } else {
        for (Example& example : kept) out.items.push_back({{std::move(example)}});
    }
    if (out.items.empty() && out.counts.skipped == 0) out.counts.without_targets = 1;
    return out;
}

Error nothing_to_train_on(uint64_t records, const PackingCounts& counts, int64_t longest_document) {
    return error(
        "none of the {} records has anything to train on: {} have no token with a weight ({} documents were cut at {} "
        "tokens), {} are skipped because they are longer",
        records, counts.without_targets, counts.truncated, longest_document, counts.skipped);
}

Packer::Packer(const RecordIndex& index, const RecordReader& reader, Selection selection, const PackingOptions& options,
               const DataPosition& start)
    : index_(index),
      reader_(reader),
      selection_(std::move(selection)),
      options_(options),
      order_(std::max<uint64_t>(selection_.size(), 1), options.seed, options.shuffled),
      position_(start) {
    CHECK(longest_document(options, reader.reads_preferences()) > 0);
}

Result<std::optional<Batch>> Packer::next() {
    Batch batch;
    while (!batch.ends_step) {
        const Result<bool> found = find_item(batch.counts);
        if (!found) return found.error();
        if (!*found) {
            batch.ends_step = true;
            break;
        }
        const PackedItem& item = loaded_->items[position_.item];
        if (std::ssize(batch.tokens) + item.places() > options_.pass_tokens) break;
        add(item, batch);
        batch.ends_step = options_.step_examples > 0 && position_.step_examples >= options_.step_examples;
    }
    if (batch.tokens.empty()) return std::optional<Batch>();
    if (options_.step_examples == 0) batch.ends_step = true;
    if (batch.ends_step) position_.step_examples = 0;
    batch.next = position_;
    return std::optional(std::move(batch));
}

Result<bool> Packer::find_item(PackingCounts& counts) {
    const uint64_t records = selection_.size();
    PackingCounts left_out;  // in a row
    for (;;) {
        if (records == 0 || (options_.epochs > 0 && position_.record / records >= options_.epochs)) return false;
        if (!loaded_ || loaded_position_ != position_.record) {
            auto loaded = read_fitted(index_, reader_, selection_[order_.at(position_.record)], options_);
            if (!loaded) return loaded.error();
            loaded_ = std::move(*loaded);
            loaded_position_ = position_.record;
        }
        if (position_.item < loaded_->items.size()) return true;
        // A record is counted with its first item, here where it has none: so a stream that goes on counts the same.
        if (loaded_->items.empty()) {
            counts += loaded_->counts;
            left_out += loaded_->counts;
            if (left_out.records == records)
                return nothing_to_train_on(records, left_out, longest_document(options_, reader_.reads_preferences()));
        }
        ++position_.record;
        position_.item = 0;
    }
}

void Packer::add(const PackedItem& item, Batch& batch) {
    for (const Example& document : item.documents) {
        batch.tokens.insert(batch.tokens.end(), document.tokens.begin(), document.tokens.end() - 1);
        batch.targets.insert(batch.targets.end(), document.tokens.begin() + 1, document.tokens.end());
        batch.weights.insert(batch.weights.end(), document.weights.begin() + 1, document.weights.end());
        batch.offsets.push_back(static_cast<int64_t>(batch.tokens.size()));
    }
    const auto documents = static_cast<int32_t>(batch.offsets.size()) - 1;
    if (reader_.reads_preferences()) batch.pairs.push_back({documents - 2, documents - 1});
    if (position_.item == 0) batch.counts += loaded_->counts;
    position_.item++;
    position_.step_examples++;
}

}  // namespace hone::train
