// Masks over real vocabularies: equal to trying every token, whatever the grammar, and bounded in memory and work.
#include <thread>

#include "tests/text/grammar_walk.h"
#include "text/grammar/ebnf.h"
#include "text/grammar/grammar_cache.h"

namespace hone::text {
namespace {

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":130},
    "mail":{"type":"string","format":"email"},"tags":{"type":"array","items":{"enum":["one","two","other things"]},"maxItems":5},
    "next":{"$ref":"#"},"note":{"type":"string","maxLength":20}},"required":["name","age"]})";

std::vector<GrammarSource> sources() {
    return {{GrammarKind::kJsonObject, ""},
            {GrammarKind::kJsonSchema, kPerson},
            {GrammarKind::kRegex, R"((\w+ ){2,5}[.!?]|[0-9]{3}-[0-9]{4}|é+)"},
            {GrammarKind::kEbnf, "root ::= \"(\" root \")\" root | [a-z ]* | \"the \" root"},
            {GrammarKind::kChoice, R"(["yes","yesterday","no"," no one"])"}};
}

}  // namespace

TEST(GrammarMasks, AreWhatTryingEveryTokenGives) {
    for (const std::string& name : kTokenizers) {
        const Loaded loaded = load(name);
        GrammarCache cache(loaded.vocabulary);
        for (const GrammarSource& source : sources()) {
            const auto grammar = cache.get(source);
            ASSERT_TRUE(grammar.ok()) << grammar.error().message;
            for (uint32_t seed = 0; seed < 3; seed++) {
                Walk walk(*grammar, seed);
                for (int step = 0; step < 60 && !walk.ended(); step++) {
                    const auto allowed = *walk.matcher.allowed();
                    ASSERT_EQ(*allowed, walk.matcher.allowed_by_trying()) << name << " behind " << walk.text;
                    ASSERT_EQ(allowed->test(loaded.end), walk.matcher.can_end());
                    walk.accept(walk.draw(30));
                }
            }
        }
    }
}

// Tokens that real vocabularies seldom have: random strings of the signs that end rules, and long runs.
static std::shared_ptr<const MaskVocabulary> wild_vocabulary(std::string_view letters, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::string> bytes;
    for (int i = 0; i < 256; i++) bytes.emplace_back(1, static_cast<char>(i));
    for (int i = 0; i < 3000; i++) {
        std::string token;
        for (size_t length = 1 + random() % 6; length > 0; length--) token += letters[random() % letters.size()];
        bytes.push_back(token);
    }
    for (const char c : letters) {
        for (const size_t length : {7, 16, 17, 40, 100}) bytes.emplace_back(length, c);
    }
    bytes.emplace_back();
    const auto end = static_cast<TokenId>(bytes.size() - 1);
    return std::make_shared<const MaskVocabulary>(std::move(bytes), std::vector<TokenId>{end});
}

TEST(GrammarMasks, AreExactWhereTokensEndManyRules) {
    struct Case {
        GrammarSource source;
        std::string letters;
    };
    const std::vector<Case> cases = {
        {{GrammarKind::kEbnf, "root ::= \"(\" root \")\" | \"[\" root \"]\" root | \"x\""}, "()[]x"},
        {{GrammarKind::kEbnf, "root ::= text \"END\" [0-9]*\ntext ::= [^<]*"}, "ENDabé<1"},
        {{GrammarKind::kEbnf, "root ::= item{20,300} \"!\"?\nitem ::= [ab]+ \",\""}, "ab,!"},
        {{GrammarKind::kEbnf, "root ::= \"<\" .{0,50} \">\" [a-z]{18,40} | \"<a>\"{17,60}"}, "<>abé"},
        {{GrammarKind::kEbnf, "root ::= a b c root | \"\"\na ::= \"x\"* \nb ::= \"y\"* c\nc ::= \"x\" | \"z\" c"},
         "xyz"},
        {{GrammarKind::kJsonObject, ""}, "{}[]\",: \n1e-.at"},
        {{GrammarKind::kJsonSchema, kPerson}, "{}[]\",: \nnameg1t"},
        {{GrammarKind::kJsonSchema,
          R"({"type":"array","items":{"type":"string","minLength":17,"maxLength":19},"minItems":30,"maxItems":40})"},
         "[]\",a\\u0 d8é"},
        {{GrammarKind::kJsonSchema, R"({"type":["array","null"],"items":{"$ref":"#"}})"}, "[],nul "}};
    for (uint32_t seed = 0; seed < cases.size(); seed++) {
        const auto compiled = compile_grammar(cases[seed].source);
        ASSERT_TRUE(compiled.ok()) << compiled.error().message;
        const auto vocabulary = wild_vocabulary(cases[seed].letters, seed);
        const auto grammar = std::make_shared<const TokenGrammar>(*compiled, vocabulary);
        for (uint32_t run = 0; run < 6; run++) {
            Walk walk(grammar, run);
            for (int step = 0; step < 80 && !walk.ended(); step++) {
                ASSERT_EQ(**walk.matcher.allowed(), walk.matcher.allowed_by_trying())
                    << seed << " behind " << walk.text;
                walk.accept(walk.draw(run < 3 ? 1000 : 30));
            }
        }
    }
}

TEST(GrammarMasks, NoSpecialTokensButTheEnd) {
    const Loaded loaded = load("qwen3");
    GrammarBuilder builder;
    const Expression any = builder.repeat(builder.characters(CodePoints::all()), 0, std::nullopt);
    auto grammar = std::make_shared<const TokenGrammar>(*builder.build(any), loaded.vocabulary);
    const auto allowed = *GrammarMatcher(grammar).allowed();
    for (const AddedToken& token : loaded.tokenizer->added_tokens())
        EXPECT_EQ(allowed->test(token.id), token.id == loaded.end);
    EXPECT_GT(allowed->count(), 1500);
    GrammarMatcher matcher(grammar);
    EXPECT_TRUE(matcher.accept(loaded.end));
    EXPECT_TRUE(matcher.ended());
    EXPECT_EQ((*matcher.allowed())->count(), 0);
    EXPECT_FALSE(matcher.accept(loaded.end));
}

TEST(GrammarMasks, TokensThatAGrammarNames) {
    const Loaded loaded = load("qwen3");
    const TokenId call = *loaded.tokenizer->token_id("<tool_call>");
    const auto grammar = grammar_of_ebnf(fmt::format("root ::= [a-z]* <[{}]> \"x\"", call));
    ASSERT_TRUE(grammar.ok());
    const auto shared = std::make_shared<const TokenGrammar>(*grammar, loaded.vocabulary);
    GrammarMatcher matcher(shared);
    EXPECT_TRUE(matcher.accept_bytes("abc"));
    EXPECT_TRUE((*matcher.allowed())->test(call));
    EXPECT_EQ(**matcher.allowed(), matcher.allowed_by_trying());
    EXPECT_TRUE(matcher.accept(call));
    EXPECT_FALSE((*matcher.allowed())->test(call));
    EXPECT_EQ(matcher.forced_bytes(), "x");
}

TEST(GrammarMasks, UpToATrigger) {
    GrammarBuilder builder;
    const auto root = builder.sequence({builder.up_to("<<a"), builder.literal("!")});
    GrammarTexts(builder.build(root)).expect({"<<a!", "x<<<<a!", "<a<<a!"}, {"x", "<<a", "<<a<<a!", "<<ax!"});
}

TEST(GrammarMasks, ReasoningComesBeforeTheAnswer) {
    GrammarSource source{GrammarKind::kChoice, R"(["yes","no"])"};
    source.reasoning = {.begin = {"<think>", {}}, .end = {"</think>", {}}};
    GrammarTexts(compile_grammar(source))
        .expect({"yes", "<think>a yes <x></think>\n\nno"},
                {"", "maybe", "a</think>yes", "<think>yes", "<think></think>a"});
    source.reasoning->has_begun = true;
    GrammarTexts(compile_grammar(source)).expect({"</think>yes", "\nso</think>\nno"}, {"yes", "a</think>b</think>yes"});

    const Loaded loaded = load("qwen3");
    const TokenId begin = *loaded.tokenizer->token_id("<think>"), end = *loaded.tokenizer->token_id("</think>");
    source.reasoning = {.begin = {"<think>", begin}, .end = {"</think>", end}};
    GrammarCache cache(loaded.vocabulary);
    const auto grammar = cache.get(source);
    ASSERT_TRUE(grammar.ok());
    GrammarMatcher matcher(*grammar);
    EXPECT_TRUE((*matcher.allowed())->test(begin));
    EXPECT_FALSE(matcher.accept_bytes("<"));
    EXPECT_TRUE(matcher.accept(begin));
    EXPECT_TRUE(matcher.accept_bytes("perhaps </think> not"));
    EXPECT_FALSE(matcher.can_end());
    EXPECT_TRUE(matcher.accept(end));
    EXPECT_FALSE(matcher.accept_bytes("maybe"));
    EXPECT_TRUE(matcher.accept_bytes("\n\nyes"));
    EXPECT_TRUE(matcher.can_end());
    source.reasoning.reset();
    EXPECT_NE(*cache.get(source), *grammar);
}

TEST(GrammarMasks, ForcedTokensAreWhatTheTokenizerGives) {
    const Loaded loaded = load("qwen3");
    GrammarCache cache(loaded.vocabulary);
    const auto grammar =
        cache.get({GrammarKind::kEbnf, R"(root ::= "{\"name\": \"" [a-z]+ "\", \"the other\": " ("1" | "2") "}")"});
    ASSERT_TRUE(grammar.ok());
    GrammarMatcher matcher(*grammar);
    EXPECT_EQ(matcher.forced_bytes(), "{\"name\": \"");
    std::string forced;
    const std::vector<TokenId> ids = *matcher.forced();
    for (const TokenId id : ids) {
        EXPECT_TRUE(matcher.accept(id));
        forced += loaded.vocabulary->bytes(id);
    }
    EXPECT_FALSE(forced.empty());
    EXPECT_TRUE(std::string_view("{\"name\": \"").starts_with(forced)) << forced;
    EXPECT_TRUE(matcher.accept_bytes(std::string_view("{\"name\": \"abc\",").substr(forced.size())));
    EXPECT_EQ(matcher.forced_bytes(), " \"the other\": ");
    EXPECT_TRUE(matcher.accept_bytes(" \"the other\": 2"));
    // The end is known: nothing is left out.
    EXPECT_EQ(*matcher.forced(), loaded.tokenizer->encode("}", {.add_special_tokens = false}));
    // Where a token may go on, it is not forced: " y" may become " yes".
    const auto choice = cache.get({GrammarKind::kChoice, R"(["no yes","no yesterday"])"});
    std::string begun;
    const std::vector<TokenId> first = *GrammarMatcher(*choice).forced();
    for (const TokenId id : first) begun += loaded.vocabulary->bytes(id);
    EXPECT_LT(begun.size(), 6u);
}

TEST(GrammarMasks, ForcedTokensAreAlwaysAllowed) {
    for (const std::string& name : kTokenizers) {
        const Loaded loaded = load(name);
        GrammarCache cache(loaded.vocabulary);
        for (const GrammarSource& source : sources()) {
            const auto grammar = *cache.get(source);
            Walk walk(grammar, 5);
            for (int step = 0; step < 100 && !walk.ended(); step++) {
                std::string bytes;
                GrammarMatcher ahead = walk.matcher;
                const std::vector<TokenId> forced = *walk.matcher.forced();
                for (const TokenId id : forced) {
                    ASSERT_TRUE((*ahead.allowed())->test(id));
                    ASSERT_TRUE(ahead.accept(id));
                    bytes += loaded.vocabulary->bytes(id);
                }
                ASSERT_TRUE(walk.matcher.forced_bytes().starts_with(bytes));
                walk.accept(walk.draw(20));
            }
        }
    }
}

// What has been found out is thrown away when it takes too much memory; nobody notices.
TEST(GrammarMasks, LittleMemoryChangesNothing) {
    const Loaded loaded = load("llama2");
    const auto compiled = compile_grammar({GrammarKind::kJsonSchema, kPerson});
    ASSERT_TRUE(compiled.ok());
    const auto small = std::make_shared<const TokenGrammar>(*compiled, loaded.vocabulary, 1);
    const auto large = std::make_shared<const TokenGrammar>(*compiled, loaded.vocabulary);
    for (uint32_t seed = 0; seed < 5; seed++) {
        Walk a(small, seed), b(large, seed);
        for (int step = 0; step < 60 && !b.ended(); step++) {
            ASSERT_EQ(**a.matcher.allowed(), **b.matcher.allowed());
            const TokenId id = b.draw(20);
            a.accept(id);
            b.accept(id);
        }
    }
}

// As many tokens as a real vocabulary has, of two letters.
static std::shared_ptr<const MaskVocabulary> large_vocabulary() {
    static const auto vocabulary = [] {
        std::mt19937 random(1);
        std::vector<std::string> bytes;
        for (int i = 0; i < 256; i++) bytes.emplace_back(1, static_cast<char>(i));
        while (bytes.size() < 150'000) {
            std::string token;
            for (size_t length = 2 + random() % 20; length > 0; length--) token += "ab"[random() % 2];
            bytes.push_back(token);
        }
        bytes.emplace_back();
        const auto end = static_cast<TokenId>(bytes.size() - 1);
        return std::make_shared<const MaskVocabulary>(std::move(bytes), std::vector<TokenId>{end});
    }();
    return vocabulary;
}

// Every rule has to be followed for itself, at every character of a token.
TEST(GrammarMasks, AMaskThatTakesTooMuchWorkIsAnError) {
    std::string rules = "root ::= r1";
    for (int i = 2; i <= 468; i++) rules += fmt::format(" | r{}", i);
    for (int i = 1; i <= 468; i++) rules += fmt::format("\nr{} ::= [ -~]{{{}}} [aA] [ -~]*", i, i);
    const auto compiled = compile_grammar({GrammarKind::kEbnf, rules});
    ASSERT_TRUE(compiled.ok()) << compiled.error().message;
    const auto grammar = std::make_shared<const TokenGrammar>(*compiled, large_vocabulary());
    ASSERT_TRUE(grammar->check().ok());
    GrammarMatcher matcher(grammar);
    const auto allowed = matcher.allowed();
    ASSERT_FALSE(allowed.ok());
    EXPECT_NE(allowed.error().message.find("too much work"), std::string::npos) << allowed.error().message;
    EXPECT_FALSE(matcher.allowed().ok());  // nothing was kept that is not whole
    EXPECT_TRUE(matcher.accept('x'));
}

// The mask looks at one way to read the text at a time, so it cannot see that they become too many.
TEST(GrammarMasks, TooManyWaysToReadATextAreRefused) {
    std::string rules = "root ::= r0";
    for (int i = 1; i < 1200; i++) rules += fmt::format(" | r{}", i);
    for (int i = 0; i < 1200; i++) rules += fmt::format("\nr{0} ::= \"x\" (a | b) \"{0}\"", i);
    rules += "\na ::= \"p\" | \"pq\"\nb ::= \"s\"";
    const auto compiled = compile_grammar({GrammarKind::kEbnf, rules});
    ASSERT_TRUE(compiled.ok()) << compiled.error().message;
    GrammarMatcher matcher(std::make_shared<const TokenGrammar>(*compiled, byte_vocabulary()));
    EXPECT_TRUE((*matcher.allowed())->test('x'));
    EXPECT_FALSE(matcher.accept('x'));
    EXPECT_TRUE((*matcher.allowed())->test('x'));  // as if nothing had been
}

// A rule of two that begin alike, over and over: twice as many ways at every level.
TEST(GrammarMasks, TooManyWaysToBeginAreRefusedAtOnce) {
    std::string rules = "root ::= r0 \"x\" | s0 \"y\"";
    for (int i = 0; i < 60; i++) {
        rules += fmt::format("\nr{0} ::= r{1} \"x\" | s{1} \"y\"\ns{0} ::= r{1} \"z\" | s{1} \"w\"", i, i + 1);
    }
    rules += "\nr60 ::= \"r\"\ns60 ::= \"s\"";
    GrammarCache cache(byte_vocabulary());
    const auto grammar = cache.get({GrammarKind::kEbnf, rules});
    ASSERT_FALSE(grammar.ok());
    EXPECT_NE(grammar.error().message.find("2048 ways"), std::string::npos) << grammar.error().message;
}

TEST(GrammarMasks, ManyThreadsShareAGrammar) {
    const Loaded loaded = load("qwen3");
    const auto compiled = compile_grammar({GrammarKind::kJsonSchema, kPerson});
    const auto grammar = std::make_shared<const TokenGrammar>(*compiled, loaded.vocabulary, 100'000);
    std::vector<std::string> texts(8);
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < texts.size(); i++) {
        threads.emplace_back([&, i] {
            Walk walk(grammar, i % 2);
            while (!walk.ended()) walk.accept(walk.draw(40));
            texts[i] = walk.text;
        });
    }
    for (auto& thread : threads) thread.join();
    for (size_t i = 2; i < texts.size(); i++) EXPECT_EQ(texts[i], texts[i % 2]);
}

TEST(GrammarMasks, CacheKeepsTheLast) {
    GrammarCache cache(byte_vocabulary(), 2);
    const auto one = cache.get({GrammarKind::kRegex, "a"});
    EXPECT_EQ(*cache.get({GrammarKind::kRegex, "a"}), *one);
    EXPECT_NE(*cache.get({GrammarKind::kEbnf, "root ::= \"a\""}), *one);
    EXPECT_EQ(*cache.get({GrammarKind::kRegex, "a"}), *one);
    ASSERT_TRUE(cache.get({GrammarKind::kRegex, "b"}).ok());
    EXPECT_EQ(*cache.get({GrammarKind::kRegex, "a"}), *one);
    ASSERT_TRUE(cache.get({GrammarKind::kRegex, "c"}).ok());
    ASSERT_TRUE(cache.get({GrammarKind::kRegex, "d"}).ok());
    EXPECT_NE(*cache.get({GrammarKind::kRegex, "a"}), *one);
    EXPECT_FALSE(cache.get({GrammarKind::kChoice, "[1]"}).ok());
    EXPECT_FALSE(cache.get({GrammarKind::kChoice, "[]"}).ok());
    EXPECT_FALSE(cache.get({GrammarKind::kChoice, "x"}).ok());
}

}  // namespace hone::text
