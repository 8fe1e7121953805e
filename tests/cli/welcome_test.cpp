#include "cli/welcome.h"

#include <gtest/gtest.h>

namespace hone::cli {
namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

TEST(Welcome, TellsTheAddressAsItWasBoundAndOneToConnectTo) {
    const std::string all = welcome_text({.host = "0.0.0.0", .port = 80, .model = "m"});
    EXPECT_TRUE(all.starts_with("listening on http://0.0.0.0:80\n"));
    EXPECT_TRUE(has(all, "curl http://127.0.0.1:80/v1/")) << all;
    const std::string six = welcome_text({.host = "::", .port = 80, .model = "m"});
    EXPECT_TRUE(six.starts_with("listening on http://[::]:80\n"));
    EXPECT_TRUE(has(six, "curl http://[::1]:80/v1/")) << six;
}

TEST(Welcome, ANameMayHaveQuotes) {
    const std::string text = welcome_text({.host = "h", .port = 1, .model = R"(it's "x")"});
    EXPECT_TRUE(has(text, R"("model": "it'\''s \"x\"")")) << text;
    EXPECT_TRUE(has(text, R"(model="it'\''s \"x\"")")) << text;
}

TEST(Welcome, HasNoPageThatIsNotServed) {
    EXPECT_TRUE(has(welcome_text({.host = "h", .port = 1, .model = "m"}), "http://h:1/ "));
    EXPECT_FALSE(has(welcome_text({.host = "h", .port = 1, .model = "m", .shows_page = false}), "page"));
}

}  // namespace
}  // namespace hone::cli
