#include "model/checkpoint/pack.h"

#include <boost/json/parse.hpp>
#include <xxhash.h>

#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

namespace json = boost::json;

constexpr WeightChoice kChoices[] = {WeightChoice::as_stored, WeightChoice::bf16, WeightChoice::int4,
                                     WeightChoice::int4_experts};

void pack(const fs::path& folder, const fs::path& out, WeightChoice choice = WeightChoice::as_stored) {
    const auto packed = pack_model(folder, out, {.weights = choice, .quiet = true}, test_pool());
    ASSERT_TRUE(packed.ok()) << packed.error().message;
    EXPECT_EQ(packed->bytes, fs::file_size(out));
}

std::string open_error(const fs::path& path) {
    const auto opened = PackFile::open(path);
    return opened ? "(it opened)" : opened.error().message;
}

uint64_t number_at(const std::string& file, size_t offset) {
    uint64_t number;
    std::memcpy(&number, file.data() + offset, sizeof number);
    return number;
}

void put_number(std::string& file, size_t offset, uint64_t number) {
    std::memcpy(file.data() + offset, &number, sizeof number);
}

// Offsets of the header's fields as pack.h draws them.
constexpr size_t kDirectoryBytes = 16, kDataBegin = 24, kFileBytes = 32, kChecksum = 56, kDirectory = 64;

void seal(std::string& file) {
    const uint64_t seed = XXH3_64bits(file.data(), kChecksum);
    put_number(file, kChecksum, XXH3_64bits_withSeed(file.data() + kDirectory, number_at(file, kDirectoryBytes), seed));
}

json::object directory_of(const std::string& file) {
    return json::parse(std::string_view(file).substr(kDirectory, number_at(file, kDirectoryBytes))).as_object();
}

// The pack with another directory, its checksum right: what a hostile writer could make.
std::string with_directory(const std::string& file, const json::object& directory) {
    const std::string text = json::serialize(directory);
    const size_t begin = number_at(file, kDataBegin), new_begin = (kDirectory + text.size() + 4095) / 4096 * 4096;
    std::string changed = file.substr(0, kDirectory) + text;
    changed.resize(new_begin);
    changed += file.substr(begin);
    put_number(changed, kDirectoryBytes, text.size());
    put_number(changed, kDataBegin, new_begin);
    put_number(changed, kFileBytes, changed.size());
    seal(changed);
    return changed;
}

TEST(Pack, GoldenModelsComeBackAsDirectlyLoaded) {
    ASSERT_FALSE(golden_models().empty());
    TemporaryFolder folder;
    for (const auto& path : golden_models()) {
        for (const auto choice : kChoices) {
            SCOPED_TRACE(fmt::format("{} as {}", path.filename().string(), name_of(choice)));
            const auto out = folder.path / "model.hone";
            pack(path, out, choice);
            const auto direct = load(path, choice), packed = load(out);
            const auto verified = load_model(out, {.quiet = true, .verify = true}, test_pool());
            EXPECT_TRUE(verified.ok()) << verified.error().message;
            expect_same_weights(*direct.model, *packed.model);
            EXPECT_EQ(packed.config, direct.config);
            for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
                EXPECT_EQ(packed.files.read(file).value(), direct.files.read(file).value()) << file;
            }
            EXPECT_EQ(packed.name, "model");
        }
    }
}

TEST(Pack, EveryShapeAndThreadCountGivesTheSameFile) {
    TemporaryFolder folder;
    for (const auto* name : {"tiny-dense", "tiny-moe", "tiny-olmoe", "tiny-minimax-m2"}) {
        write_checkpoint(folder.path / name, shape(name), {.shards = 2});
        pack(folder.path / name, folder.path / "two", WeightChoice::int4);
        ThreadPool one(1);
        const LoadOptions options{.weights = WeightChoice::int4, .quiet = true};
        ASSERT_TRUE(pack_model(folder.path / name, folder.path / "one", options, one).ok());
        EXPECT_EQ(read_file(folder.path / "one"), read_file(folder.path / "two"));
        expect_same_weights(*load(folder.path / "one").model, *load(folder.path / name, WeightChoice::int4).model);
    }
}

TEST(Pack, OfRandomWeightsHoldsThoseOfMemory) {
    TemporaryFolder folder;
    const auto out = folder.path / "random.hone", again = folder.path / "again.hone";
    ThreadPool one(1);
    for (const auto* name : {"tiny-dense", "tiny-moe", "tiny-olmoe", "tiny-minimax-m2"}) {
        for (const auto choice : kChoices) {
            SCOPED_TRACE(fmt::format("{} as {}", name, name_of(choice)));
            const RandomOptions options{.weights = choice, .seed = 4, .quiet = true};
            const auto packed = pack_random_model(shape(name), name, out, options, test_pool());
            ASSERT_TRUE(packed.ok()) << packed.error().message;
            EXPECT_EQ(packed->bytes, fs::file_size(out));
            ASSERT_TRUE(pack_random_model(shape(name), name, again, options, one).ok());
            EXPECT_EQ(read_file(out), read_file(again));
            const auto verified = load_model(out, {.weights = choice, .quiet = true, .verify = true}, test_pool());
            ASSERT_TRUE(verified.ok()) << verified.error().message;
            const auto made = random_model(shape(name), name, options, test_pool());
            expect_same_weights(*made->model, *verified->model);
            EXPECT_EQ(verified->config, shape(name));
            EXPECT_FALSE(verified->files.has("tokenizer.json"));
        }
    }
}

TEST(Pack, OfRandomWeightsFailsLikeAnyOther) {
    TemporaryFolder folder;
    const auto failure = [&](const json::object& config, const fs::path& out) {
        const auto packed = pack_random_model(config, "it", out, {.quiet = true}, test_pool());
        return packed ? "(it was packed)" : packed.error().message;
    };
    EXPECT_CONTAINS(failure({{"model_type", "x"}}, folder.path / "out"), "it: ");
    EXPECT_CONTAINS(failure(shape("tiny-moe"), folder.path), "is a folder");
    EXPECT_CONTAINS(failure(shape("tiny-moe"), folder.path / "none" / "out"), "cannot create");
    EXPECT_TRUE(fs::is_empty(folder.path));
}

TEST(Pack, HoldsTheSmallFilesOfTheFolder) {
    TemporaryFolder folder;
    const auto path = folder.path / "model";
    write_checkpoint(path, shape("tiny-dense"));
    fs::create_directories(path / "additional_chat_templates" / "deeper");
    const char* const taken[] = {"config.json",
                                 "tokenizer.model",
                                 "generation_config.json",
                                 "chat_template.jinja",
                                 "additional_chat_templates/rag.jinja",
                                 "additional_chat_templates/tool_use.jinja"};
    for (const char* name : taken)
        if (name != std::string_view("config.json")) write_file(path / name, std::string("\0\xff", 2) + name);
    const char* const left[] = {"README.md", "additional_chat_templates/note.txt",
                                "additional_chat_templates/deeper/rag.jinja"};
    for (const char* name : left) write_file(path / name, "not ours");
    pack(path, folder.path / "model.hone");

    const auto direct = load(path), packed = load(folder.path / "model.hone");
    for (const char* name : taken) {
        EXPECT_TRUE(packed.files.has(name)) << name;
        EXPECT_EQ(packed.files.read(name).value(), direct.files.read(name).value()) << name;
    }
    for (const char* name : left) EXPECT_FALSE(packed.files.has(name)) << name;
    const std::vector<std::string> templates(std::begin(taken) + 4, std::end(taken));
    for (const auto* files : {&direct.files, &packed.files}) {
        EXPECT_EQ(files->names_in("additional_chat_templates", ".jinja"), templates);
        EXPECT_TRUE(files->names_in("no_such_folder", ".jinja").empty());
    }
    // Errors name the file, as if the pack were a folder.
    EXPECT_CONTAINS(packed.files.read("vocab.json").error().message,
                    (folder.path / "model.hone" / "vocab.json").string());
    EXPECT_CONTAINS(packed.files.read("tokenizer.model", 3).error().message, "tokenizer.model: 17 bytes are more than");
    EXPECT_CONTAINS(direct.files.read("tokenizer.model", 3).error().message, "tokenizer.model: 17 bytes are more than");
}

TEST(Pack, IsUsedInPlace) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "model", shape("tiny-dense"));
    const auto out = folder.path / "model.hone";
    pack(folder.path / "model", out);
    const auto loaded = load(out);
    EXPECT_TRUE(loaded.weights.is_mapped());
    const auto store = loaded.weights.bytes();
    EXPECT_EQ(store.size(), fs::file_size(out));
    for (const auto& slot : slots_of(*loaded.model)) {
        const auto bytes = bytes_of(slot);
        EXPECT_GE(bytes.data(), store.data());
        EXPECT_LE(bytes.data() + bytes.size(), store.data() + store.size());
        EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % alignment_of(bytes.size()), 0u) << slot.name;
    }
    // A tied head is in the file once.
    const auto slots = slots_of(*loaded.model);
    EXPECT_EQ(slots.front().matrix->data, slots.back().matrix->data);
    fs::remove(out);  // the mapping outlives the name
    expect_same_weights(*loaded.model, *load(folder.path / "model").model);
}

// A checkpoint's own formats are bf16.
WeightChoice stored_as(WeightChoice choice) {
    return choice == WeightChoice::as_stored ? WeightChoice::bf16 : choice;
}

TEST(Pack, OtherFormatsThanItsOwnAreAnError) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "model", shape("tiny-moe"));
    for (const auto made : kChoices) {
        const auto out = folder.path / std::string(name_of(made));
        pack(folder.path / "model", out, made);
        for (const auto asked : kChoices) {
            if (asked == WeightChoice::as_stored || stored_as(asked) == stored_as(made)) {
                expect_same_weights(*load(out, asked).model, *load(folder.path / "model", made).model);
            } else {
                EXPECT_CONTAINS(load_error(out, asked), fmt::format("not as --weights {} asks", name_of(asked)));
            }
        }
    }
}

TEST(Pack, OutputThatIsAFolderFailsBeforePacking) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "model", shape("tiny-dense"));
    testing::internal::CaptureStderr();
    const auto packed = pack_model(folder.path / "model", folder.path / "model", {}, test_pool());
    const std::string progress = testing::internal::GetCapturedStderr();
    ASSERT_FALSE(packed.ok());
    EXPECT_CONTAINS(packed.error().message, (folder.path / "model").string() + ": is a folder");
    EXPECT_EQ(progress, "");
}

TEST(Pack, FailureLeavesNoFile) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "broken", shape("tiny-moe"),
                     {.keep = [](const std::string& name) { return name != "model.norm.weight"; }});
    const auto packed = pack_model(folder.path / "broken", folder.path / "out", {.quiet = true}, test_pool());
    ASSERT_FALSE(packed.ok());
    EXPECT_CONTAINS(packed.error().message, "'model.norm.weight' is missing");
    write_checkpoint(folder.path / "model", shape("tiny-moe"));
    const auto nowhere = pack_model(folder.path / "model", folder.path / "no" / "out", {.quiet = true}, test_pool());
    ASSERT_FALSE(nowhere.ok());
    EXPECT_CONTAINS(nowhere.error().message, (folder.path / "no" / "out").string());
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 2);
}

TEST(Pack, RepackingAPackIsAnError) {
    TemporaryFolder folder;
    write_checkpoint(folder.path / "model", shape("tiny-dense"));
    pack(folder.path / "model", folder.path / "a");
    const auto packed = pack_model(folder.path / "a", folder.path / "b", {.quiet = true}, test_pool());
    ASSERT_FALSE(packed.ok());
    EXPECT_CONTAINS(packed.error().message, "checkpoint folder");
}

// A pack of one tiny model, and a place to write changed copies of it.
class DamagedPack : public testing::Test {
  protected:
    void SetUp() override {
        write_checkpoint(folder_.path / "model", shape("tiny-dense"));
        pack(folder_.path / "model", folder_.path / "good", WeightChoice::int4);
        good_ = read_file(folder_.path / "good");
        header_end_ = kDirectory + number_at(good_, kDirectoryBytes);
    }
    std::string error_of(const std::string& file) {
        write_file(changed_, file);
        return open_error(changed_);
    }
    // The error of loading the good pack with other bytes for one of its small files.
    std::string error_with_file(std::string_view name, std::string_view content) {
        json::object directory = directory_of(good_);
        for (json::value& file : directory["files"].as_array()) {
            if (file.at("name").get_string() != name) continue;
            file.as_object()["offset"] = good_.size() - number_at(good_, kDataBegin);
            file.as_object()["bytes"] = content.size();
            file.as_object()["xxh3"] = fmt::format("{:016x}", XXH3_64bits(content.data(), content.size()));
        }
        write_file(changed_, with_directory(good_ + std::string(content), directory));
        return load_error(changed_);
    }
    // The error of loading the good pack with a changed directory.
    std::string error_with(const std::function<void(json::object& directory)>& change) {
        json::object directory = directory_of(good_);
        change(directory);
        write_file(changed_, with_directory(good_, directory));
        return load_error(changed_);
    }
    std::string error_with_field(const char* field, const json::value& value) {
        return error_with(
            [&](json::object& directory) { directory["tensors"].as_array()[2].as_object()[field] = value; });
    }

    TemporaryFolder folder_;
    fs::path changed_ = folder_.path / "changed";
    std::string good_;
    size_t header_end_ = 0;
};

TEST_F(DamagedPack, EveryTruncationIsAnError) {
    EXPECT_EQ(error_of(good_), "(it opened)");
    for (const size_t size : {good_.size() - 1, good_.size() / 2, header_end_}) {
        EXPECT_CONTAINS(error_of(good_.substr(0, size)), "cut short");
    }
    for (size_t size = header_end_; size-- > 0;) {
        fs::resize_file(changed_, size);
        ASSERT_NE(open_error(changed_), "(it opened)") << size;
    }
    EXPECT_CONTAINS(error_of(good_ + "x"), "damaged");
}

TEST_F(DamagedPack, EveryBitFlipInHeaderOrDirectoryIsNoticed) {
    EXPECT_EQ(error_of(good_), "(it opened)");
    std::fstream file(changed_, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](size_t at, char byte) {
        file.seekp(static_cast<std::streamoff>(at));
        file.put(byte).flush();
    };
    for (size_t byte = 0; byte < header_end_; byte++) {
        for (int bit = 0; bit < 8; bit++) {
            if (byte >= kDirectory && bit != static_cast<int>(byte % 8))
                continue;  // of the directory, one bit of each byte
            put(byte, static_cast<char>(good_[byte] ^ 1 << bit));
            ASSERT_NE(open_error(changed_), "(it opened)") << byte;
        }
        put(byte, good_[byte]);
    }
    EXPECT_EQ(open_error(changed_), "(it opened)");
}

TEST_F(DamagedPack, SaysWhatIsWrong) {
    std::string file = good_;
    file[0] = 'h';
    EXPECT_CONTAINS(error_of(file), "neither a folder nor a file that `hone pack` made");
    file = good_;
    file[8] = 9;
    seal(file);
    EXPECT_CONTAINS(error_of(file), "pack version 9, this program reads 1");
    for (const size_t field : {kDirectoryBytes, kDataBegin, kFileBytes}) {
        for (const uint64_t absurd : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 63}) {
            file = good_;
            put_number(file, field, absurd);
            EXPECT_CONTAINS(error_of(file), "damaged") << field << " " << absurd;
        }
    }
    file = good_;
    file[header_end_ - 3] ^= 1;
    EXPECT_CONTAINS(error_of(file), "wrong checksum");
}

TEST_F(DamagedPack, TensorBytesAreCheckedOnRequest) {
    const size_t at = number_at(good_, kDataBegin) + 100;
    std::string file = good_;
    file[at] = static_cast<char>(file[at] ^ 4);
    write_file(changed_, file);
    EXPECT_TRUE(load_model(changed_, {.quiet = true}, test_pool()).ok());
    const auto verified = load_model(changed_, {.quiet = true, .verify = true}, test_pool());
    ASSERT_FALSE(verified.ok());
    EXPECT_CONTAINS(verified.error().message, "'model.embed_tokens.weight' is damaged");
    EXPECT_TRUE(load_model(folder_.path / "good", {.quiet = true, .verify = true}, test_pool()).ok());
}

TEST_F(DamagedPack, VerifyPackNamesTheTensor) {
    const auto verify_error = [&](const fs::path& path) {
        const Status verified = verify_pack(path, test_pool(), true);
        return verified ? "(it is whole)" : verified.error().message;
    };
    EXPECT_EQ(verify_error(folder_.path / "good"), "(it is whole)");
    const json::value last = directory_of(good_)["tensors"].as_array().back();
    const size_t at = number_at(good_, kDataBegin) + static_cast<size_t>(last.at("offset").as_int64());
    std::string file = good_;
    file[at] = static_cast<char>(file[at] ^ 1);
    write_file(changed_, file);
    EXPECT_EQ(verify_error(changed_),
              changed_.string() +
                  ": tensor 'model.embed_tokens.weight' is damaged (wrong checksum); copy the file again, or "
                  "make it anew with `hone pack`");
    EXPECT_CONTAINS(verify_error(folder_.path / "model"), "a checkpoint folder has no checksums");
    EXPECT_CONTAINS(verify_error(folder_.path / "none"), "cannot open");
}

TEST_F(DamagedPack, SmallFilesAreAlwaysChecked) {
    std::string file = good_;
    file[file.rfind("made")] = 'M';
    EXPECT_CONTAINS(error_of(file), "'tokenizer.json' is damaged");
}

TEST_F(DamagedPack, AnUnchangedDirectoryLoads) {
    EXPECT_EQ(error_with([](json::object&) {}), "(it loaded)");
}

TEST_F(DamagedPack, OtherKernelLayout) {
    EXPECT_CONTAINS(error_with([](json::object& d) { d["layout"] = "0123456789abcdef"; }), "run `hone pack` again");
    EXPECT_CONTAINS(error_with([](json::object& d) { d.erase("layout"); }), "run `hone pack` again");
}

TEST_F(DamagedPack, ImpossibleDirectories) {
    for (const char* field : {"tensors", "files"}) {
        EXPECT_CONTAINS(error_with([&](json::object& d) { d.erase(field); }), field);
        EXPECT_CONTAINS(error_with([&](json::object& d) { d[field] = 3; }), field);
    }
    EXPECT_CONTAINS(error_with([](json::object& d) { d["tensors"].as_array().pop_back(); }), "is missing");
    EXPECT_CONTAINS(error_with([](json::object& d) { d["tensors"].as_array()[3] = 3; }), "missing or impossible");
    const auto repeat = [](json::object& d) {
        json::array& tensors = d["tensors"].as_array();
        const json::value first = tensors[0];
        tensors.push_back(first);
    };
    EXPECT_CONTAINS(error_with(repeat), "'model.embed_tokens.weight' appears twice");
    const auto add_unknown = [](json::object& d) {
        json::array& tensors = d["tensors"].as_array();
        json::value another = tensors[0];
        another.as_object()["name"] = "another";
        tensors.push_back(another);
    };
    EXPECT_CONTAINS(error_with(add_unknown), "but config.json describes");
    EXPECT_CONTAINS(error_with([](json::object& d) { d["files"].as_array()[0].as_object()["bytes"] = 1u << 30; }),
                    "'bytes'");
    EXPECT_CONTAINS(error_with([](json::object& d) { d["files"].as_array()[0].as_object()["offset"] = ~uint64_t{0}; }),
                    "'offset'");
}

TEST_F(DamagedPack, ImpossibleConfigs) {
    EXPECT_EQ(error_with_file("config.json", read_file(folder_.path / "model" / "config.json")), "(it loaded)");
    EXPECT_CONTAINS(error_with_file("config.json", "{"), "changed: config.json: not valid JSON");
    EXPECT_CONTAINS(error_with_file("config.json", R"({"model_type": "x"})"), "model_type");
    EXPECT_CONTAINS(error_with([](json::object& d) { d["files"] = json::array(); }), "config.json");
    auto config = shape("tiny-moe");
    config["num_hidden_layers"] = 4096;
    config["num_experts"] = 320;
    EXPECT_CONTAINS(error_with_file("config.json", json::serialize(config)), "make at least 3944448 tensors");
}

TEST_F(DamagedPack, ImpossibleTensors) {
    const json::value some = directory_of(good_)["tensors"].as_array()[2];
    EXPECT_EQ(some.at("format"), "int4_g32");  // the query projection
    for (const char* field : {"name", "role", "format", "n", "k", "offset", "bytes", "xxh3"}) {
        EXPECT_CONTAINS(error_with_field(field, nullptr), "missing or impossible");
        EXPECT_CONTAINS(error_with_field(field, json::array{1}), "missing or impossible");
    }
    for (const char* field : {"n", "k", "offset", "bytes"}) {
        for (const json::value& value :
             {json::value(-1), json::value(1.5), json::value(~uint64_t{0}), json::value(uint64_t{1} << 40)}) {
            EXPECT_CONTAINS(error_with_field(field, value), "missing or impossible") << field;
        }
    }
    EXPECT_CONTAINS(error_with_field("offset", some.at("offset").as_int64() + 1), "'offset'");
    EXPECT_CONTAINS(error_with_field("bytes", some.at("bytes").as_int64() - 64), "does not take");
    EXPECT_CONTAINS(error_with_field("n", 0x7fffffff), "'n'");
    EXPECT_CONTAINS(error_with_field("role", "norm"), "is missing");
    EXPECT_CONTAINS(error_with_field("format", "f32_vector"), "missing or impossible");
    EXPECT_CONTAINS(error_with_field("offset", some.at("offset").as_int64() + 64), "overlap");
    EXPECT_CONTAINS(error_with_field("xxh3", "12x"), "'xxh3'");
    // As many bytes, but another matrix.
    const auto transpose = [](json::object& d) {
        json::object& tensor = d["tensors"].as_array()[2].as_object();
        std::swap(tensor["n"], tensor["k"]);
    };
    EXPECT_CONTAINS(error_with(transpose), "config.json makes it");
    // A router or embedding in a format that its operation does not read.
    const auto int4_embedding = [](json::object& d) {
        json::array& tensors = d["tensors"].as_array();
        const json::object head = tensors[tensors.size() - 1].as_object();
        for (const char* field : {"format", "offset", "bytes", "xxh3"}) tensors[0].as_object()[field] = head.at(field);
    };
    EXPECT_CONTAINS(error_with(int4_embedding), "(embedding) cannot be int4_g32");
}

}  // namespace
}  // namespace hone::model
