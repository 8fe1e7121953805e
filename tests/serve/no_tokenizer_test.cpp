// A model without a tokenizer: token ids go in, stand-ins for text come out, and text is refused.
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

class NoTokenizerTest : public ServiceTest {
  protected:
    void SetUp() override { start({}, default_chat_templates(), text::Tokenizer::of_ids(288).value()); }
};

TEST_F(NoTokenizerTest, IdsGoInAndStandInsComeOut) {
    const Answer answer = post("/v1/completions", R"({"prompt":[5,6,7],"max_tokens":2,"echo":true,"logprobs":0})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(generator_.requests()[0].prompt, (std::vector<int32_t>{5, 6, 7}));
    const json::value body = answer.json();
    EXPECT_EQ(at(body, {"choices", size_t{0}, "text"}), json::value("⟨5⟩⟨6⟩⟨7⟩⟨107⟩⟨104⟩"));
    EXPECT_EQ(json::serialize(at(body, {"choices", size_t{0}, "logprobs", "tokens"})),
              R"(["⟨5⟩","⟨6⟩","⟨7⟩","⟨107⟩","⟨104⟩"])");
    EXPECT_EQ(json::serialize(at(body, {"choices", size_t{0}, "logprobs", "text_offset"})), "[0,3,6,9,14]");
}

TEST_F(NoTokenizerTest, EveryTokenOfAStreamIsADelta) {
    const Answer answer = post("/v1/completions", R"({"prompt":[[1],[2]],"max_tokens":5,"stream":true})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    std::map<int64_t, std::string> texts;
    for (const std::string& event : answer.events()) {
        if (event == "[DONE]") continue;
        const json::value body = json::parse(event);
        const std::string text(at(body, {"choices", size_t{0}, "text"}).as_string());
        EXPECT_TRUE(text.starts_with("⟨") && text.ends_with("⟩")) << text;
        texts[at(body, {"choices", size_t{0}, "index"}).as_int64()] += text;
    }
    const std::string hello = "⟨107⟩⟨104⟩⟨111⟩⟨111⟩⟨114⟩";
    EXPECT_EQ(texts, (std::map<int64_t, std::string>{{0, hello}, {1, hello}}));
}

TEST_F(NoTokenizerTest, TextIsRefusedAndTheFieldNamed) {
    const auto expect_refusal = [&](std::string path, std::string body, const char* field) {
        const Answer answer = post(std::move(path), std::move(body));
        EXPECT_EQ(answer.status, 400) << answer.body;
        const json::value error = answer.json();
        EXPECT_EQ(at(error, {"error", "param"}), json::value(field)) << answer.body;
        EXPECT_EQ(at(error, {"error", "code"}), json::value("no_tokenizer"));
        EXPECT_NE(answer.body.find("has no tokenizer"), std::string::npos);
    };
    expect_refusal("/v1/completions", R"({"prompt":"text"})", "prompt");
    expect_refusal("/v1/completions", R"({"prompt":[[1],"text"]})", "prompt");
    expect_refusal("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}]})", "messages");
    expect_refusal("/tokenize", R"({"prompt":"text"})", "prompt");
    expect_refusal("/tokenize", R"({"messages":[{"role":"user","content":"hi"}]})", "messages");
    EXPECT_TRUE(generator_.requests().empty());
}

TEST_F(NoTokenizerTest, IdsAreReadBack) {
    EXPECT_EQ(post("/detokenize", R"({"tokens":[0,287]})").json(), (json::value{{"prompt", "⟨0⟩⟨287⟩"}}));
}

TEST_F(NoTokenizerTest, StopStringsAreStandInsToo) {
    const Answer answer = post("/v1/completions", R"({"prompt":[1],"max_tokens":5,"stop":"⟨111⟩"})");
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "text"}), json::value("⟨107⟩⟨104⟩")) << answer.body;
    EXPECT_EQ(at(answer.json(), {"choices", size_t{0}, "finish_reason"}), json::value("stop"));
}

}  // namespace
}  // namespace hone::serve
