// The page's files: found by path, compressed for who takes that, not sent again to who has them.
#include "serve/page.h"

#include "serve/http/answer_text.h"
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

constexpr PageFile kScript{.path = "/assets/a.js",
                           .content_type = "text/javascript; charset=utf-8",
                           .digest = "0123",
                           .bytes = "plain bytes",
                           .compressed = "packed"};

std::string header_of(const Response& response, std::string_view name) {
    std::string found;
    for (const auto& [key, value] : response.headers)
        if (key == name) found += value;
    return found;
}

Response answer(HeaderList headers, const PageFile& file = kScript) {
    return page_answer(file, {.method = "GET", .path = std::string(file.path), .headers = std::move(headers)});
}

TEST(Page, IsCompressedForWhoTakesThat) {
    for (const char* takes : {"gzip", "br, GZip", "deflate , gzip;q=0.5", "gzip; q=1"}) {
        const Response packed = answer({{"accept-encoding", takes}});
        EXPECT_EQ(packed.body, "packed") << takes;
        EXPECT_EQ(header_of(packed, "Content-Encoding"), "gzip");
    }
    for (const char* refuses : {"", "br", "gzip;q=0", "gzip; Q=0.000", "x-gzip", "*"}) {
        const Response plain = answer({{"Accept-Encoding", refuses}});
        EXPECT_EQ(plain.body, "plain bytes") << refuses;
        EXPECT_EQ(header_of(plain, "Content-Encoding"), "");
        EXPECT_EQ(header_of(plain, "Vary"), "Accept-Encoding");
    }
    PageFile incompressible = kScript;
    incompressible.compressed = {};
    EXPECT_EQ(answer({{"Accept-Encoding", "gzip"}}, incompressible).body, "plain bytes");
}

// A strong tag is of the bytes that are sent: compressed ones have another.
TEST(Page, IsNotSentAgain) {
    const std::string tag = header_of(answer({}), "ETag");
    const std::string packed = header_of(answer({{"Accept-Encoding", "gzip"}}), "ETag");
    EXPECT_EQ(tag, "\"0123\"");
    EXPECT_NE(tag, packed);
    for (const std::string& known : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
        const Response same = answer({{"If-None-Match", known}});
        EXPECT_EQ(same.status, 304) << known;
        EXPECT_EQ(same.body, "");
        EXPECT_EQ(header_of(same, "ETag"), tag);
        EXPECT_EQ(head_text(same, {.content_length = 0}).find("Content-"), head_text(same, {}).find("Content-Sec"));
    }
    for (const std::string& other : {packed, std::string("\"x\""), std::string("0123"), std::string()})
        EXPECT_EQ(answer({{"If-None-Match", other}}).status, 200) << other;
}

TEST(Page, RunsNothingButItsOwnScripts) {
    for (const PageFile& file : page_files()) {
        const Response response = answer({}, file);
        const std::string policy = header_of(response, "Content-Security-Policy");
        for (const char* rule : {"script-src 'self';", "connect-src 'self';", "object-src 'none';", "base-uri 'none';",
                                 "frame-ancestors 'none';", "form-action 'none'"})
            EXPECT_NE(policy.find(rule), std::string::npos) << rule;
        EXPECT_EQ(policy.find("unsafe"), std::string::npos);
        EXPECT_EQ(header_of(response, "X-Content-Type-Options"), "nosniff");
        EXPECT_EQ(header_of(response, "Referrer-Policy"), "no-referrer");
        EXPECT_EQ(header_of(response, "Cache-Control"), "no-cache");
    }
}

TEST(Page, LiesInTheProgram) {
    const PageFile* index = find_page_file(page_files(), "/");
    ASSERT_NE(index, nullptr);
    EXPECT_EQ(index->content_type, "text/html; charset=utf-8");
    EXPECT_NE(index->bytes.find("</html>"), std::string_view::npos);
    std::set<std::string_view> digests;
    for (const PageFile& file : page_files()) {
        EXPECT_EQ(find_page_file(page_files(), file.path), &file);
        EXPECT_TRUE(digests.insert(file.digest).second) << file.path;
        EXPECT_FALSE(file.bytes.empty()) << file.path;
        if (file.compressed.empty()) continue;
        EXPECT_LT(file.compressed.size(), file.bytes.size());
        EXPECT_TRUE(file.compressed.starts_with("\x1f\x8b")) << file.path;
    }
    for (const char* path : {"", "/index.html", "/assets/", "/assets", "//", "/assets/../index.html"})
        EXPECT_EQ(find_page_file(page_files(), path), nullptr) << path;
}

TEST_F(ServiceTest, ServesThePage) {
    start({.api_keys = {"key"}});
    EXPECT_EQ(ask(request("GET", "/v1/models")).status, 401);
    const Answer page = ask(request("GET", "/"));
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    EXPECT_EQ(ask(request("HEAD", "/")).status, 200);
    EXPECT_EQ(ask(request("POST", "/")).status, 405);
    EXPECT_EQ(ask(request("DELETE", "/assets/page.js")).status, 405);
    EXPECT_EQ(ask(request("GET", "/assets/page.js")).status, 200);
    EXPECT_EQ(ask(request("GET", "/assets/none.js")).status, 404);
    handlers_.observe("/assets/none.js", 404);
    const std::string metrics = ask(request("GET", "/metrics")).body;
    EXPECT_NE(metrics.find("route=\"/assets/{file}\""), std::string::npos);
    EXPECT_EQ(metrics.find("none.js"), std::string::npos);
}

TEST_F(ServiceTest, ServesNoPageWhereItIsSwitchedOff) {
    start({.page = false});
    EXPECT_EQ(ask(request("GET", "/")).status, 404);
    EXPECT_EQ(ask(request("GET", "/assets/page.js")).status, 404);
    EXPECT_EQ(ask(request("GET", "/v1/models")).status, 200);
}

}  // namespace
}  // namespace hone::serve
