// Texts of HTTP: heads of answers, events, targets, what may be quoted.
#include <gtest/gtest.h>

#include "serve/http/answer_text.h"
#include "serve/http/sse.h"

namespace hone::serve {
namespace {

TEST(AnswerText, NoContentHasNoLength) {
    const std::string head = head_text({.status = 204, .content_type = ""}, {.keep_alive = true, .content_length = 0});
    EXPECT_EQ(head, "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

TEST(Sse, LineBreaksCannotEndAnEvent) {
    EXPECT_EQ(sse_event("{}"), "data: {}\n\n");
    EXPECT_EQ(sse_event("a\nb"), "data: a\ndata: b\n\n");
    EXPECT_EQ(sse_event("a\r\nb\rc"), "data: a\ndata: b\ndata: c\n\n");
}

TEST(Target, SplitsAndDecodes) {
    std::string path, query;
    EXPECT_TRUE(split_target("/v1/models/a%2Fb?x=1&y", path, query));
    EXPECT_EQ(path, "/v1/models/a/b");
    EXPECT_EQ(query, "x=1&y");
    EXPECT_TRUE(split_target("HTTP://host:8000/v1/models?x=1", path, query));
    EXPECT_EQ(path, "/v1/models");
    EXPECT_EQ(query, "x=1");
    EXPECT_TRUE(split_target("http://host", path, query));
    EXPECT_EQ(path, "/");
    EXPECT_TRUE(split_target("https://host?x=1", path, query));
    EXPECT_EQ(path + query, "/x=1");
    for (const char* bad :
         {"", "a", "/%", "/%4", "/%zz", "/%00", "/%0a", "http://", "http:///v1", "ftp://x/", "http:/x"})
        EXPECT_FALSE(split_target(bad, path, query)) << bad;
}

TEST(Quotable, IsValidUtf8AndShort) {
    EXPECT_EQ(quotable("a\xff"
                       "b"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(quotable("a\xE4\xB8\xAD", 2), "a...");
    EXPECT_EQ(quotable("\xE4\xB8\xAD"), "\xE4\xB8\xAD");
    EXPECT_EQ(quotable("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace hone::serve
