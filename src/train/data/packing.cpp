#include "train/data/packing.h"

#include <algorithm>

#include "base/check.h"

namespace hone::train {

namespace {

int64_t longest_document(const PackingOptions& options, bool are_pairs) {
    const int64_t most = are_pairs ? options.pass_tokens / 2 : options.pass_tokens;
    return options.document_tokens > 0 ? std::min(options.document_tokens, most) : most;
}

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

int64_t Packer::Item::tokens() const {
    int64_t sum = 0;
    for (const Example& document : documents) sum += places_of(document);
    return sum;
}

Packer::Packer(const RecordIndex& index, const RecordReader& reader, Selection selection, const PackingOptions& options,
               const DataPosition& start)
    : index_(index),
      reader_(reader),
      selection_(std::move(selection)),
      options_(options),
      document_tokens_(longest_document(options, reader.reads_preferences())),
      order_(std::max<uint64_t>(selection_.size(), 1), options.seed, options.shuffled),
      position_(start) {
    CHECK(document_tokens_ > 0);
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
        const Item& item = loaded_->items[position_.item];
        const auto places = static_cast<int64_t>(batch.tokens.size());
        batch.ends_step = places > 0 && !step_has_room_for(item.tokens());
        if (batch.ends_step || places + item.tokens() > options_.pass_tokens) break;
        add(item, batch);
        batch.ends_step = options_.step_examples > 0 && position_.step_examples >= options_.step_examples;
    }
    if (batch.tokens.empty()) return std::optional<Batch>();
    if (options_.step_tokens == 0 && options_.step_examples == 0) batch.ends_step = true;
    if (batch.ends_step) position_.step_tokens = position_.step_examples = 0;
    batch.next = position_;
    return std::optional(std::move(batch));
}

bool Packer::step_has_room_for(int64_t tokens) const {
    return options_.step_tokens == 0 || position_.step_tokens + tokens <= options_.step_tokens;
}

Result<bool> Packer::find_item(PackingCounts& counts) {
    const uint64_t records = selection_.size();
    for (uint64_t tried = 0; tried <= records; ++tried) {
        if (records == 0 || (options_.epochs > 0 && position_.record / records >= options_.epochs)) return false;
        if (!loaded_ || loaded_->position != position_.record) {
            Result<Loaded> loaded = load(position_.record);
            if (!loaded) return loaded.error();
            loaded_ = std::move(*loaded);
        }
        if (position_.item < loaded_->items.size()) return true;
        // A record is counted with its first item, here where it has none: so a stream that goes on counts the same.
        if (loaded_->items.empty()) counts += loaded_->counts;
        ++position_.record;
        position_.item = 0;
    }
    return error("none of the {} records has anything to train on", records);
}

Result<Packer::Loaded> Packer::load(uint64_t position) const {
    const uint64_t number = selection_[order_.at(position)];
    Result<Record> record = reader_.read(index_, number);
    if (!record) return record.error();
    Loaded out{position, {}, {.records = 1}};
    if (const Status fitted = fit(std::move(*record), number, out); !fitted) return fitted.error();
    return out;
}

Status Packer::fit(Record record, uint64_t number, Loaded& out) const {
    const auto longest = static_cast<size_t>(document_tokens_) + 1;
    std::vector<Example> kept;
    for (Example& example : record.examples) {
        trim(example);
        const size_t tokens = example.tokens.size();
        if (tokens > longest && record.is_text) {
            cut_windows(example, longest - 1, kept);
            out.counts.windowed = 1;
            continue;
        }
        if (tokens > longest && options_.too_long == TooLong::refuse)
            return error(
                "{}: is {} tokens long, and {} are allowed; allow more, or let long records be truncated or skipped",
                index_.where(number), tokens, longest);
        if (tokens > longest && options_.too_long == TooLong::skip) {
            out.counts.skipped = 1;
            if (reader_.reads_preferences()) return ok();
            continue;
        }
        if (tokens > longest) {
            cut(example, longest);
            trim(example);
            out.counts.truncated++;
        }
        if (example.tokens.size() > 1) kept.push_back(std::move(example));
    }
    if (reader_.reads_preferences()) {
        if (kept.size() == 2) out.items.push_back({std::move(kept)});
    } else {
        for (Example& example : kept) out.items.push_back({{std::move(example)}});
    }
    if (out.items.empty() && out.counts.skipped == 0) out.counts.without_targets = 1;
    return ok();
}

void Packer::add(const Item& item, Batch& batch) {
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
    position_.step_tokens += item.tokens();
    position_.step_examples++;
}

}  // namespace hone::train
