// From records in their order to packed batches: documents end to end until a pass is full. What comes next depends on
// the position alone, a small value that can be saved: from there the same batches come again, on every machine. One
// thread; index and reader outlive the packer.
#pragma once

#include <optional>

#include "train/data/record_reader.h"
#include "train/data/selection.h"
#include "train/data/shuffled_order.h"
#include "train/losses/preference.h"
#include "train/training_pass.h"

namespace hone::train {

// What is done with a document that is longer than allowed. Text, and token ids without weights, are always cut into
// windows instead.
enum class TooLong { truncate, skip, refuse };

struct PackingOptions {
    // A token that is read takes a place; the last token of a document is only predicted and takes none.
    int64_t pass_tokens = 4096;   // places of a pass, at least 1; of preferences 2
    int64_t document_tokens = 0;  // places of a document; 0: those of a pass (of preferences half of them)
    TooLong too_long = TooLong::truncate;
    // A step ends with the pass that reaches one of these; 0: does not count. Without any, every pass is a step.
    int64_t step_tokens = 0;    // the most places of a step
    int64_t step_examples = 0;  // documents, windows or pairs of a step
    uint64_t epochs = 0;        // how often each record comes; 0: without end
    uint64_t seed = 0;
    bool shuffled = true;
};

// Where a stream of batches stands.
struct DataPosition {
    uint64_t record = 0;      // place in the endless order of the records
    uint32_t item = 0;        // what was given of that record: documents, windows, pairs
    int64_t step_tokens = 0;  // what was given of the step that has begun
    int64_t step_examples = 0;

    bool operator==(const DataPosition&) const = default;
};

struct PackingCounts {
    uint64_t records = 0;          // that began in the batch, or were left out on the way
    uint64_t windowed = 0;         // records cut into several windows
    uint64_t truncated = 0;        // documents
    uint64_t skipped = 0;          // records, for their length
    uint64_t without_targets = 0;  // records that nothing could be trained on

    PackingCounts& operator+=(const PackingCounts& more);
    bool operator==(const PackingCounts&) const = default;
};

struct Batch {
    std::vector<int32_t> tokens, targets;  // the target of a token is the one that follows it in its document
    std::vector<float> weights;            // of the targets' losses
    std::vector<int64_t> offsets{0};
    std::vector<PreferencePair> pairs;  // of preferences only: every two documents
    bool ends_step = false;
    PackingCounts counts;
    DataPosition next;  // where the stream goes on behind the batch

    PackedBatch packed() const;  // refers to this batch
};

class Packer {
  public:
    Packer(const RecordIndex& index, const RecordReader& reader, Selection selection, const PackingOptions& options,
           const DataPosition& start = {});

    // The next batch; nothing at the end of the last epoch. Errors are the reader's, and those of documents that are
    // refused; a selection in which no record can be trained on is one too.
    Result<std::optional<Batch>> next();

  private:
    // What stays in one pass: a document, or a pair of them.
    struct Item {
        std::vector<Example> documents;
        int64_t tokens() const;
    };
    // A record cut to what fits.
    struct Loaded {
        uint64_t position;
        std::vector<Item> items;
        PackingCounts counts;
    };

    // Makes sure that the item at the position is loaded, leaving out records without any; false at the end.
    Result<bool> find_item(PackingCounts& counts);
    Result<Loaded> load(uint64_t position) const;
    Status fit(Record record, uint64_t number, Loaded& out) const;
    void add(const Item& item, Batch& batch);
    bool step_has_room_for(int64_t tokens) const;

    const RecordIndex& index_;
    const RecordReader& reader_;
    const Selection selection_;
    const PackingOptions options_;
    const int64_t document_tokens_;
    const ShuffledOrder order_;
    DataPosition position_;
    std::optional<Loaded> loaded_;
};

}  // namespace hone::train
