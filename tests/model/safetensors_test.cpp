#include "model/checkpoint/safetensors.h"

#include "tests/model/checkpoint_files.h"

namespace hone::model {
namespace {

std::string file_of(const std::string& header, size_t data_bytes) {
    const uint64_t length = header.size();
    std::string file(reinterpret_cast<const char*>(&length), sizeof length);
    return file + header + std::string(data_bytes, 'x');
}

Result<SafetensorsContents> parse(const std::string& file) {
    return parse_safetensors(std::as_bytes(std::span(file)), "some.safetensors");
}

std::string error_of(const std::string& header, size_t data_bytes) {
    // A buffer of exactly the file's size, so that a sanitizer sees any read beyond it.
    const std::string file = file_of(header, data_bytes);
    const std::vector<char> exact(file.begin(), file.end());
    const auto contents = parse_safetensors(std::as_bytes(std::span(exact)), "some.safetensors");
    return contents ? "(it parsed)" : contents.error().message;
}

constexpr const char* kGood =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}})";

TEST(Safetensors, ReadsWhatTheWriterWroteInPiecesOfAnyOrder) {
    TemporaryFolder folder;
    const auto path = folder.path / "t.safetensors";
    const std::vector<float> first = {1, 2, 3, 4, 5, 6};
    const std::vector<int64_t> second = {-1, 7};
    auto writer = SafetensorsWriter::create(path,
                                            {{"first", math::DType::f32, {2, 3}},
                                             {"none", math::DType::bf16, {0, 4}},
                                             {"scalar", math::DType::u8, {}},
                                             {"second \"quoted\" \xc3\xa9", math::DType::i64, {2}}},
                                            {{"made by", "test"}});
    ASSERT_TRUE(writer.ok());
    const auto bytes = std::as_bytes(std::span(first));
    EXPECT_TRUE(writer->write(3, 0, std::as_bytes(std::span(second))).ok());
    EXPECT_TRUE(writer->write(0, 20, bytes.subspan(20)).ok());
    EXPECT_TRUE(writer->write(2, 0, bytes.first(1)).ok());
    EXPECT_TRUE(writer->write(0, 0, bytes.first(20)).ok());
    EXPECT_FALSE(fs::exists(path));
    ASSERT_TRUE(writer->finish().ok());

    const auto file = SafetensorsFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_EQ(file->tensors().size(), 4u);
    EXPECT_EQ(file->metadata().at("made by"), "test");
    const auto* tensor = file->find("first");
    ASSERT_TRUE(tensor);
    EXPECT_EQ(tensor->shape, (math::Shape{2, 3}));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->bytes.data()) % 64, 0u);
    EXPECT_TRUE(same_bytes(tensor->bytes, bytes));
    EXPECT_TRUE(same_bytes(file->find("second \"quoted\" \xc3\xa9")->bytes, std::as_bytes(std::span(second))));
    EXPECT_EQ(file->find("none")->bytes.size(), 0u);
    EXPECT_EQ(file->find("scalar")->bytes.size(), 1u);
    EXPECT_EQ(file->find("third"), nullptr);
}

TEST(Safetensors, DroppedWriterLeavesNothing) {
    TemporaryFolder folder;
    { const auto writer = SafetensorsWriter::create(folder.path / "t.safetensors", {{"a", math::DType::f32, {2}}}); }
    EXPECT_TRUE(fs::is_empty(folder.path));
    const auto nowhere = SafetensorsWriter::create(folder.path / "no" / "t.safetensors", {});
    ASSERT_FALSE(nowhere.ok());
    EXPECT_CONTAINS(nowhere.error().message, "t.safetensors");
}

TEST(SafetensorsDeathTest, UnfinishedTensorIsOurMistake) {
    TemporaryFolder folder;
    auto writer = SafetensorsWriter::create(folder.path / "t.safetensors", {{"a", math::DType::f32, {2}}});
    EXPECT_DEATH((void)writer->finish(), "0 of 8 bytes");
    const std::byte bytes[8] = {};
    EXPECT_DEATH((void)writer->write(0, 4, bytes), "bytes 4\\+8");
}

TEST(Safetensors, EveryTruncationIsAnError) {
    const std::string file = file_of(kGood, 20);
    ASSERT_TRUE(parse(file).ok()) << parse(file).error().message;
    for (size_t size = 0; size < file.size(); size++) {
        const std::vector<char> cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(parse_safetensors(std::as_bytes(std::span(cut)), "cut").ok()) << size;
    }
}

TEST(Safetensors, BitFlipsInTheHeaderNeverLeaveTheFile) {
    const std::string good = file_of(kGood, 20);
    size_t errors = 0;
    const size_t header_end = good.size() - 20;
    for (size_t bit = 0; bit < header_end * 8; bit++) {
        std::vector<char> file(good.begin(), good.end());
        file[bit / 8] = static_cast<char>(file[bit / 8] ^ 1 << bit % 8);
        const auto bytes = std::as_bytes(std::span(file));
        const auto contents = parse_safetensors(bytes, "flipped");
        if (!contents) {
            errors++;
            continue;
        }
        for (const auto& [name, tensor] : contents->tensors) {
            EXPECT_GE(tensor.bytes.data(), bytes.data());
            EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(), bytes.data() + bytes.size());
            EXPECT_EQ(tensor.bytes.size(),
                      static_cast<size_t>(math::element_count(tensor.shape)) * math::size_of(tensor.dtype));
        }
    }
    EXPECT_GT(errors, header_end * 4);  // the rest are other names and metadata
}

struct BadHeader {
    const char* name;
    std::string header;
    const char* message;
};

class BadSafetensors : public testing::TestWithParam<BadHeader> {};

TEST_P(BadSafetensors, IsRefusedWithTheReason) {
    const std::string message = error_of(GetParam().header, 20);
    EXPECT_CONTAINS(message, GetParam().message);
    EXPECT_CONTAINS(message, "some.safetensors");
}

std::string entry(const std::string& fields) {
    return "{\"a\":{" + fields + "}}";
}

INSTANTIATE_TEST_SUITE_P(
    Headers, BadSafetensors,
    testing::Values(
        BadHeader{"Empty", "", "not a JSON object"}, BadHeader{"List", "[1]", "not a JSON object"},
        BadHeader{"BrokenJson", "{\"a\":", "not valid JSON"}, BadHeader{"TwoObjects", "{} {}", "not valid JSON"},
        BadHeader{"BadUtf8", "{\"\xff\":1}", "not valid JSON"},
        BadHeader{"Deep", "{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", "not valid JSON"},
        BadHeader{"NotAnObject", "{\"a\":[]}", "tensor 'a': its entry must be an object"},
        BadHeader{"NoType", entry(R"("shape":[5],"data_offsets":[0,20])"), "tensor 'a': field 'dtype'"},
        BadHeader{"TypeOfAnotherKind", entry(R"("dtype":3,"shape":[5],"data_offsets":[0,20])"), "field 'dtype'"},
        BadHeader{"UnknownType", entry(R"("dtype":"Q9","shape":[5],"data_offsets":[0,20])"), "dtype 'Q9' is not known"},
        BadHeader{"NoShape", entry(R"("dtype":"F32","data_offsets":[0,20])"), "field 'shape'"},
        BadHeader{"NegativeShape", entry(R"("dtype":"F32","shape":[-5],"data_offsets":[0,20])"),
                  "'shape' must hold whole"},
        BadHeader{"FractionalShape", entry(R"("dtype":"F32","shape":[2.5],"data_offsets":[0,20])"),
                  "'shape' must hold whole"},
        BadHeader{"ShapeOverflow", entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,20])"),
                  "overflows"},
        BadHeader{"ShapeOverflowToRightSize",
                  entry(R"("dtype":"F32","shape":[4611686018427387909],"data_offsets":[0,20])"), "overflows"},
        BadHeader{"HugeExtent", entry(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,20])"),
                  "overflows"},
        BadHeader{"NoOffsets", entry(R"("dtype":"F32","shape":[5])"), "field 'data_offsets'"},
        BadHeader{"OneOffset", entry(R"("dtype":"F32","shape":[5],"data_offsets":[0])"), "list of two"},
        BadHeader{"NegativeOffset", entry(R"("dtype":"F32","shape":[5],"data_offsets":[-20,0])"), "whole numbers"},
        BadHeader{"Backwards", entry(R"("dtype":"F32","shape":[5],"data_offsets":[20,0])"), "end before they begin"},
        BadHeader{"BeyondTheEnd", entry(R"("dtype":"F32","shape":[6],"data_offsets":[0,24])"), "pass the end"},
        BadHeader{"FarBeyondTheEnd",
                  entry(R"("dtype":"U8","shape":[20],"data_offsets":[18446744073709551595,18446744073709551615])"),
                  "pass the end"},
        BadHeader{"WrongSize", entry(R"("dtype":"F32","shape":[4],"data_offsets":[0,20])"), "F32 [4] takes 16 bytes"},
        BadHeader{"Tail", entry(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])"),
                  "last 4 bytes belong to no tensor"},
        BadHeader{"Hole", entry(R"("dtype":"F32","shape":[4],"data_offsets":[4,20])"), "4 bytes before tensor 'a'"},
        BadHeader{
            "Overlap",
            R"({"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]},"b":{"dtype":"U8","shape":[12],"data_offsets":[8,20]}})",
            "tensor 'b' overlaps"},
        BadHeader{
            "SameTensorTwice",
            R"({"a":{"dtype":"U8","shape":[20],"data_offsets":[0,20]},"a":{"dtype":"U8","shape":[20],"data_offsets":[0,20]}})",
            "'a' appears twice"},
        BadHeader{"SameFieldTwice", entry(R"("dtype":"F32","dtype":"F32","shape":[5],"data_offsets":[0,20])"),
                  "'dtype' appears twice"},
        BadHeader{"MetadataNotAnObject", R"({"__metadata__":3})", "'__metadata__' must be an object"},
        BadHeader{"MetadataNotStrings", R"({"__metadata__":{"a":3}})", "'__metadata__' must hold strings"}),
    [](const auto& info) { return info.param.name; });

TEST(Safetensors, KnowsEveryTypeOfTheFormat) {
    const std::map<std::string, int> bits = {
        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"BOOL", 8},        {"U8", 8},          {"I8", 8},
        {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
        {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
        {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
    };
    EXPECT_EQ(bits.size(), static_cast<size_t>(math::DType::c64) + 1);
    for (const auto& [name, size] : bits) {
        const auto header = fmt::format(R"({{"a":{{"dtype":"{}","shape":[2,4],"data_offsets":[0,{}]}}}})", name, size);
        const auto contents = parse(file_of(header, static_cast<size_t>(size)));
        ASSERT_TRUE(contents.ok()) << contents.error().message;
        EXPECT_EQ(math::name_of(contents->tensors.at("a").dtype), name);
    }
    EXPECT_CONTAINS(error_of(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1), "not whole bytes");
    EXPECT_CONTAINS(error_of(R"({"a":{"dtype":"F6_E2M3","shape":[2],"data_offsets":[0,2]}})", 2), "not whole bytes");
}

TEST(Safetensors, AbsurdHeaderLengthsAreRefusedBeforeReading) {
    for (const uint64_t length :
         {uint64_t{100}, uint64_t{100'000'000}, uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{0} - 7}) {
        std::string file = file_of("{}", 0);
        std::memcpy(file.data(), &length, sizeof length);
        EXPECT_FALSE(parse(file).ok()) << length;
    }
    EXPECT_TRUE(parse(file_of("{}", 0)).ok());
    EXPECT_TRUE(parse(file_of("{}      ", 0)).ok());
}

TEST(Safetensors, LongNamesAreCutInMessages) {
    const std::string message = error_of("{\"" + std::string(100'000, 'n') + "\":3}", 20);
    EXPECT_LT(message.size(), 500u);
}

TEST(Safetensors, ReadsTheGoldenFiles) {
    for (const auto& model : golden_models()) {
        for (const auto& file : fs::directory_iterator(model)) {
            if (file.path().extension() != ".safetensors") continue;
            const auto opened = SafetensorsFile::open(file.path());
            ASSERT_TRUE(opened.ok()) << opened.error().message;
            EXPECT_FALSE(opened->tensors().empty());
        }
    }
}

TEST(Safetensors, NotAFile) {
    TemporaryFolder folder;
    EXPECT_CONTAINS(SafetensorsFile::open(folder.path).error().message, folder.path.string());
    EXPECT_CONTAINS(SafetensorsFile::open(folder.path / "none").error().message, "none");
}

}  // namespace
}  // namespace hone::model
