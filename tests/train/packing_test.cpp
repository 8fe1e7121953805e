// Records to batches: every token once, limits of passes and steps, what is too long, and going on at any position.
#include <map>

#include "base/rng.h"
#include "tests/train/training_text.h"
#include "train/data/batches.h"
#include "train/data/survey.h"

namespace hone::train {

namespace {

// Files of token ids: the tokens of a record say which it is and where in it they are.
class TokenData {
  public:
    explicit TokenData(const std::vector<std::string>& lines, Format format = Format::any)
        : reader_({.vocabulary = 100'000}, {.format = format}) {
        std::string content;
        for (const std::string& line : lines) content += line + "\n";
        auto index = RecordIndex::build({write_file(folder_, "data.jsonl", content)});
        CHECK(index.ok(), "{}", index.error().message);
        index_.emplace(std::move(*index));
    }

    // Record i has the tokens 1000 i, 1000 i + 1, ...
    static std::string line(int64_t i, int64_t tokens, const std::string& more = "") {
        std::string ids;
        for (int64_t t = 0; t < tokens; ++t) ids += fmt::format("{}{}", t > 0 ? "," : "", 1000 * i + t);
        return fmt::format("{{\"tokens\":[{}]{}}}", ids, more);
    }
    static std::string weights(const std::vector<int>& weights) {
        return fmt::format(",\"weights\":[{}]", fmt::join(weights, ","));
    }

    Packer packer(const PackingOptions& options, const DataPosition& start = {}) const {
        return Packer(*index_, reader_, Selection(index_->size()), options, start);
    }
    std::vector<Batch> batches(const PackingOptions& options, const DataPosition& start = {}) const {
        Packer packer = this->packer(options, start);
        std::vector<Batch> out;
        while (true) {
            auto batch = packer.next();
            CHECK(batch.ok(), "{}", batch.error().message);
            if (!*batch) return out;
            out.push_back(std::move(**batch));
        }
    }
    const RecordIndex& index() const { return *index_; }
    const RecordReader& reader() const { return reader_; }

  private:
    TemporaryFolder folder_;
    std::optional<RecordIndex> index_;
    RecordReader reader_;
};

void expect_equal(const Batch& a, const Batch& b) {
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.targets, b.targets);
    EXPECT_EQ(a.weights, b.weights);
    EXPECT_EQ(a.offsets, b.offsets);
    EXPECT_EQ(a.ends_step, b.ends_step);
    EXPECT_EQ(a.counts, b.counts);
    EXPECT_EQ(a.next, b.next);
    ASSERT_EQ(a.pairs.size(), b.pairs.size());
}

// Text of all lengths, some of it in windows; replies of which some are too long or have no targets.
std::vector<std::string> mixed_lines() {
    Random random(5);
    std::vector<std::string> lines;
    for (int64_t i = 0; i < 40; ++i) {
        const auto length = static_cast<int64_t>(random.below(60));
        std::vector<int> weights;
        for (int64_t t = 0; t < length; ++t) weights.push_back(random.below(3) == 0);
        if (i % 7 == 3) weights.assign(weights.size(), 0);
        lines.push_back(TokenData::line(i, length, i % 2 == 0 ? "" : TokenData::weights(weights)));
    }
    return lines;
}

}  // namespace

TEST(Packing, EveryTokenIsATargetOnce) {
    const TokenData data([] {
        std::vector<std::string> lines;
        for (int64_t i = 0; i < 50; ++i) lines.push_back(TokenData::line(i, i));
        return lines;
    }());
    std::map<int32_t, int> seen;
    for (const Batch& batch : data.batches({.pass_tokens = 16, .epochs = 1, .seed = 3})) {
        ASSERT_LE(batch.tokens.size(), 16u);
        ASSERT_EQ(batch.targets.size(), batch.tokens.size());
        ASSERT_EQ(batch.weights.size(), batch.tokens.size());
        EXPECT_EQ(batch.offsets.front(), 0);
        EXPECT_EQ(batch.offsets.back(), std::ssize(batch.tokens));
        for (size_t d = 0; d + 1 < batch.offsets.size(); ++d) {
            ASSERT_LT(batch.offsets[d], batch.offsets[d + 1]);
            for (auto t = static_cast<size_t>(batch.offsets[d]); t < static_cast<size_t>(batch.offsets[d + 1]); ++t) {
                EXPECT_EQ(batch.targets[t], batch.tokens[t] + 1);
                EXPECT_EQ(batch.weights[t], 1);
                seen[batch.targets[t]]++;
                if (t > static_cast<size_t>(batch.offsets[d])) {
                    EXPECT_EQ(batch.tokens[t], batch.targets[t - 1]);
                }
            }
        }
    }
    size_t wanted = 0;
    for (int32_t i = 0; i < 50; ++i)
        for (int32_t t = 1; t < i; ++t, ++wanted) EXPECT_EQ(seen[1000 * i + t], 1) << i << " " << t;
    EXPECT_EQ(seen.size(), wanted);
}

TEST(Packing, FillsAPassInOrder) {
    const TokenData data({TokenData::line(0, 4), TokenData::line(1, 5), TokenData::line(2, 2), TokenData::line(3, 6)});
    const auto batches = data.batches({.pass_tokens = 8, .epochs = 1, .shuffled = false});
    ASSERT_EQ(batches.size(), 2u);
    EXPECT_EQ(batches[0].tokens, (std::vector<int32_t>{0, 1, 2, 1000, 1001, 1002, 1003, 2000}));
    EXPECT_EQ(batches[0].targets, (std::vector<int32_t>{1, 2, 3, 1001, 1002, 1003, 1004, 2001}));
    EXPECT_EQ(batches[0].offsets, (std::vector<int64_t>{0, 3, 7, 8}));
    EXPECT_EQ(batches[1].offsets, (std::vector<int64_t>{0, 5}));
    EXPECT_TRUE(batches[0].ends_step && batches[1].ends_step);
    const PackedBatch packed = batches[0].packed();
    EXPECT_EQ(packed.targets.rows, 8);
    EXPECT_EQ(packed.targets.cols, 1);
    EXPECT_EQ(packed.targets.row(7)[0], 2001);
}

TEST(Packing, WindowsOfLongText) {
    const TokenData data({TokenData::line(0, 11)});
    const auto batches = data.batches({.pass_tokens = 8, .document_tokens = 4, .epochs = 1});
    ASSERT_EQ(batches.size(), 2u);
    EXPECT_EQ(batches[0].tokens, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(batches[0].offsets, (std::vector<int64_t>{0, 4, 8}));
    EXPECT_EQ(batches[1].tokens, (std::vector<int32_t>{8, 9}));
    EXPECT_EQ(batches[1].targets, (std::vector<int32_t>{9, 10}));
    EXPECT_EQ(batches[0].counts, (PackingCounts{.records = 1, .windowed = 1}));
    EXPECT_EQ(batches[1].counts, PackingCounts{});
}

TEST(Packing, WhatIsTooLong) {
    const std::string tail = TokenData::weights({0, 0, 0, 0, 0, 1, 1, 0}),
                      reply = TokenData::weights({0, 0, 1, 1, 1, 1, 1, 0});
    const TokenData data({TokenData::line(0, 8, tail), TokenData::line(1, 8, reply), TokenData::line(2, 3)});
    PackingOptions options{.pass_tokens = 100, .document_tokens = 4, .epochs = 1, .shuffled = false};
    const auto truncated = data.batches(options);
    ASSERT_EQ(truncated.size(), 1u);
    EXPECT_EQ(truncated[0].tokens, (std::vector<int32_t>{1000, 1001, 1002, 1003, 2000, 2001}));
    EXPECT_EQ(truncated[0].counts, (PackingCounts{.records = 3, .truncated = 2, .without_targets = 1}));
    options.too_long = TooLong::skip;
    const auto skipped = data.batches(options);
    ASSERT_EQ(skipped.size(), 1u);
    EXPECT_EQ(skipped[0].tokens, (std::vector<int32_t>{2000, 2001}));
    EXPECT_EQ(skipped[0].counts, (PackingCounts{.records = 3, .skipped = 2}));
    options.too_long = TooLong::refuse;
    Packer packer = data.packer(options);
    const auto refused = packer.next();
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("data.jsonl:1: is 7 tokens long, and 5 are allowed"), std::string::npos)
        << refused.error().message;
    // What stands behind the last target does not count.
    options.document_tokens = 6;
    EXPECT_EQ(data.batches(options).at(0).tokens.size(), 6u + 6u + 2u);
}

TEST(Packing, NothingToTrainOnIsAnError) {
    const TokenData data({TokenData::line(0, 3, TokenData::weights({1, 0, 0})), TokenData::line(1, 1)});
    for (const uint64_t epochs : {0, 1, 2}) {
        Packer packer = data.packer({.pass_tokens = 8, .epochs = epochs});
        const auto batch = packer.next();
        ASSERT_FALSE(batch.ok()) << epochs;
        EXPECT_EQ(batch.error().message,
                  "none of the 2 records has anything to train on: 2 have no token with a weight (0 documents were cut "
                  "at 8 tokens), 0 are skipped because they are longer");
    }
    // The last records of an epoch may have nothing.
    const TokenData some({TokenData::line(0, 3), TokenData::line(1, 1), TokenData::line(2, 1)});
    EXPECT_EQ(some.batches({.pass_tokens = 8, .epochs = 2, .shuffled = false}).size(), 1u);
}

TEST(Packing, StepsOfSeveralPasses) {
    std::vector<std::string> lines;
    for (int64_t i = 0; i < 10; ++i) lines.push_back(TokenData::line(i, 4));  // of three places each
    const TokenData data(lines);
    const auto shape = [&](const PackingOptions& options) {
        std::string out;
        for (const Batch& batch : data.batches(options))
            out += fmt::format("{}{}", batch.offsets.size() - 1, batch.ends_step ? "|" : " ");
        return out;
    };
    EXPECT_EQ(shape({.pass_tokens = 7, .step_examples = 5, .epochs = 1}), "2 2 1|2 2 1|");
    EXPECT_EQ(shape({.pass_tokens = 7, .step_examples = 4, .epochs = 1}), "2 2|2 2|2|");
    EXPECT_EQ(shape({.pass_tokens = 100, .step_examples = 3, .epochs = 1}), "3|3|3|1|");
    EXPECT_EQ(shape({.pass_tokens = 7, .epochs = 1}), "2|2|2|2|2|");
}

TEST(Packing, GoesOnAtEveryPosition) {
    const TokenData data(mixed_lines());
    for (const PackingOptions& options :
         {PackingOptions{.pass_tokens = 32, .epochs = 3, .seed = 1},
          PackingOptions{
              .pass_tokens = 24, .document_tokens = 10, .too_long = TooLong::skip, .step_examples = 9, .epochs = 3},
          PackingOptions{
              .pass_tokens = 40, .document_tokens = 7, .step_examples = 15, .epochs = 3, .shuffled = false}}) {
        const std::vector<Batch> all = data.batches(options);
        ASSERT_GT(all.size(), 20u);
        EXPECT_TRUE(all.back().ends_step);
        PackingCounts sum;
        for (const Batch& batch : all) sum += batch.counts;
        EXPECT_EQ(sum.records, 120u);
        bool was_inside_record = false, was_inside_step = false;
        for (size_t i = 0; i + 1 < all.size(); ++i) {
            was_inside_record |= all[i].next.item > 0;
            was_inside_step |= all[i].next.step_examples > 0;
            const std::vector<Batch> rest = data.batches(options, all[i].next);
            ASSERT_EQ(rest.size(), all.size() - i - 1);
            for (size_t j = 0; j < rest.size(); ++j) expect_equal(rest[j], all[i + 1 + j]);
        }
        EXPECT_TRUE(was_inside_record);
        EXPECT_EQ(was_inside_step, options.step_examples > 0);
    }
}

TEST(Survey, CountsWhatIsGoingToBeRead) {
    const TokenData data(mixed_lines());
    ThreadPool pool(2);
    for (const int64_t examples : {0, 1, 7, 100}) {
        const PackingOptions options{
            .pass_tokens = 24, .document_tokens = 10, .step_examples = examples, .epochs = 3, .seed = 4};
        DataSurvey wanted;
        for (const Batch& batch : data.batches(options)) {
            wanted.passes++;
            wanted.steps += batch.ends_step;
            wanted.tokens += batch.tokens.size();
            for (const float weight : batch.weights) wanted.targets += weight > 0;
            wanted.counts += batch.counts;
        }
        const auto survey = survey_data(data.index(), data.reader(), Selection(40), options, pool, true);
        ASSERT_TRUE(survey.ok());
        EXPECT_EQ(survey->passes, wanted.passes);
        EXPECT_EQ(survey->steps, wanted.steps);
        EXPECT_EQ(3 * survey->tokens, wanted.tokens);
        EXPECT_EQ(3 * survey->targets, wanted.targets);
        PackingCounts counts;
        for (int epoch = 0; epoch < 3; ++epoch) counts += survey->counts;
        EXPECT_EQ(counts, wanted.counts);
        EXPECT_LT(survey->targets, survey->tokens);
        EXPECT_GT(survey->counts.truncated, 0u);
        EXPECT_EQ(survey->losses(), fmt::format("{} documents cut at 10 tokens, {} records with nothing to train on",
                                                survey->counts.truncated, survey->counts.without_targets));
        EXPECT_TRUE(survey->loses_much());
    }
}

TEST(Survey, FindsEveryRecordThatIsWrong) {
    ThreadPool pool(2);
    const auto failure = [&](const TokenData& data, const PackingOptions& options) {
        const auto survey =
            survey_data(data.index(), data.reader(), Selection(data.index().size()), options, pool, true);
        return survey ? "" : survey.error().message;
    };
    std::vector<std::string> lines(5000, TokenData::line(0, 9));
    EXPECT_EQ(failure(TokenData(lines), {}), "");
    lines[4500] = "{\"tokens\":[-1]}";
    EXPECT_NE(failure(TokenData(lines), {}).find("data.jsonl:4501: tokens[0]: must be"), std::string::npos);
    lines[30] = "{}";
    const std::string two = failure(TokenData(lines), {.epochs = 1});
    EXPECT_NE(two.find("data.jsonl:31: "), std::string::npos) << two;
    EXPECT_TRUE(two.ends_with(" (1 more records are wrong)")) << two;
    EXPECT_EQ(
        failure(TokenData({TokenData::line(0, 9, TokenData::weights({0, 0, 0, 0, 0, 0, 0, 0, 1}))}),
                {.pass_tokens = 4, .too_long = TooLong::skip}),
        "none of the 1 records has anything to train on: 0 have no token with a weight (0 documents were cut at 4 "
        "tokens), 1 are skipped because they are longer");
}

TEST(Packing, EpochsHaveOtherOrders) {
    const TokenData data(mixed_lines());
    const auto once = data.batches({.pass_tokens = 64, .epochs = 1}),
               twice = data.batches({.pass_tokens = 64, .epochs = 2});
    ASSERT_GT(twice.size(), once.size());
    expect_equal(once[0], twice[0]);
    std::vector<int32_t> second;
    for (const Batch& batch : twice)
        if (batch.next.record > 40) second.insert(second.end(), batch.tokens.begin(), batch.tokens.end());
    EXPECT_FALSE(std::equal(once[0].tokens.begin(), once[0].tokens.end(), second.begin()));
}

TEST(Packing, PairsStayTogether) {
    const TrainingText text("qwen3", kPlainTemplate);
    const TemporaryFolder folder;
    std::string content;
    for (int i = 0; i < 20; ++i)
        content += fmt::format(R"({{"prompt":"{}","chosen":"{}","rejected":"b"}})"
                               "\n",
                               i, std::string(1 + i, 'a'));
    const auto index = RecordIndex::build({write_file(folder, "pairs.jsonl", content)});
    ASSERT_TRUE(index.ok());
    const RecordReader reader = text.reader({.format = Format::preference});
    Packer packer(*index, reader, Selection(20), {.pass_tokens = 40, .step_examples = 4, .epochs = 1});
    size_t pairs = 0;
    while (true) {
        const auto batch = packer.next();
        ASSERT_TRUE(batch.ok());
        if (!*batch) break;
        ASSERT_EQ((*batch)->pairs.size() * 2 + 1, (*batch)->offsets.size());
        EXPECT_LE((*batch)->pairs.size(), 4u);
        for (size_t i = 0; i < (*batch)->pairs.size(); ++i, ++pairs) {
            EXPECT_EQ((*batch)->pairs[i].chosen, static_cast<int32_t>(2 * i));
            EXPECT_EQ((*batch)->pairs[i].rejected, static_cast<int32_t>(2 * i + 1));
        }
    }
    EXPECT_EQ(pairs, 20u);
}

TEST(Batches, AreThoseOfThePacker) {
    const TokenData data(mixed_lines());
    const PackingOptions options{.pass_tokens = 32, .epochs = 2, .seed = 9};
    const std::vector<Batch> all = data.batches(options);
    BatchStream stream(data.index(), data.reader(), Selection(40), options, all[2].next);
    for (size_t i = 3; i < all.size(); ++i) {
        const auto batch = stream.next();
        ASSERT_TRUE(batch.ok() && *batch);
        expect_equal(**batch, all[i]);
    }
    for (int i = 0; i < 3; ++i) {
        const auto end = stream.next();
        ASSERT_TRUE(end.ok());
        EXPECT_FALSE(end->has_value());
    }
}

TEST(Batches, ErrorsComeInTheirPlace) {
    const TokenData data({TokenData::line(0, 9), TokenData::line(1, 9), "{\"tokens\":[-1]}", TokenData::line(3, 9)});
    BatchStream stream(data.index(), data.reader(), Selection(4), {.pass_tokens = 8, .epochs = 1, .shuffled = false});
    EXPECT_TRUE(stream.next().ok());
    for (int i = 0; i < 2; ++i) {
        const auto failed = stream.next();
        ASSERT_FALSE(failed.ok());
        EXPECT_NE(failed.error().message.find("data.jsonl:3: tokens[0]: must be"), std::string::npos);
    }
    // What is thrown while a batch is prepared is an error too: here by a record that the index does not have.
    BatchStream beyond(data.index(), data.reader(), Selection(2'000'000'000),
                       {.pass_tokens = 8, .epochs = 1, .seed = 1});
    const auto thrown = beyond.next();
    ASSERT_FALSE(thrown.ok());
    EXPECT_TRUE(thrown.error().message.starts_with("reading the data: ")) << thrown.error().message;
    // A stream that nobody reads to its end goes away.
    const BatchStream unread(data.index(), data.reader(), Selection(2), {.pass_tokens = 8});
}

}  // namespace hone::train
