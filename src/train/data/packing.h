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
    int64_t step_examples = 0;  // documents, windows or pairs of a step; 0: every pass is a step
    uint64_t epochs = 0;        // how often each record comes; 0: without end
    uint64_t seed = 0;
    bool shuffled = true;
};

// Where a stream of batches stands.
struct DataPosition {
    uint64_t record = 0;        // place in the endless order of the records
    uint32_t item = 0;          // what was given of that record: documents, windows, pairs
    int64_t step_examples = 0;  // what was given of the step that has begun

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

// What stays in one pass: a document, or a pair of them.
struct PackedItem {
    std::vector<Example> documents;
    int64_t places() const;
};

// A record cut to what fits.
struct FittedRecord {
    std::vector<PackedItem> items;
    PackingCounts counts;
};

// Places that a document may take.
int64_t longest_document(const PackingOptions& options, bool are_pairs);
// Any thread, many at once. Errors are the reader's, and those of documents that are refused.
Result<FittedRecord> read_fitted(const RecordIndex& index, const RecordReader& reader, uint64_t record,
                                 const PackingOptions& options);
// Why nothing is left of so many records.
Error nothing_to_train_on(uint64_t records, const PackingCounts& counts, int64_t longest_document);

class Packer {
  public:
    Packer(const RecordIndex& index, const RecordReader& reader, Selection selection, const PackingOptions& options,
           const DataPosition& start = {});

    // The next batch; nothing at the end of the last epoch. Errors are those of read_fitted; as many records in a row as
    // there are without anything to train on are one too.
    Result<std::optional<Batch>> next();

  private:
    // Makes sure that the item at the position is loaded, leaving out records without any; false at the end.
    Result<bool> find_item(PackingCounts& counts);
    void add(const PackedItem& item, Batch& batch);

    const RecordIndex& index_;
    const RecordReader& reader_;
    const Selection selection_;
    const PackingOptions options_;
    const ShuffledOrder order_;
    DataPosition position_;
    std::optional<FittedRecord> loaded_;
    uint64_t loaded_position_ = 0;  // of loaded_
};

}  // namespace hone::train
