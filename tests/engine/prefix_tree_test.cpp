#include "engine/cache/prefix_tree.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace hone::engine {
namespace {

// A page of `count` times the token, then of others up to `length`.
std::vector<int32_t> page_of(int32_t token, int32_t count = kPageTokens, int32_t length = 0, int32_t other = 999) {
    std::vector<int32_t> tokens(static_cast<size_t>(count), token);
    tokens.resize(static_cast<size_t>(std::max(count, length)), other);
    return tokens;
}

class PrefixTreeTest : public testing::Test {
  protected:
    // Publishes a new page and lets go of it, so that only the tree keeps it.
    PrefixTree::Node add(PrefixTree::Node parent, const std::vector<int32_t>& tokens) {
        const int32_t page = *pool.take();
        const auto node = tree.publish(parent, tokens, page);
        pool.release(page);
        return node;
    }
    // The page that holds exactly these tokens.
    PrefixTree::Node find(PrefixTree::Node parent, const std::vector<int32_t>& tokens) const {
        const auto match = tree.longest(parent, tokens);
        return match.common == std::ssize(tokens) ? match.node : PrefixTree::kNone;
    }
    PagePool pool = std::move(*PagePool::create(64, 8));
    PrefixTree tree{pool};
};

TEST_F(PrefixTreeTest, finds_whole_pages_along_a_path) {
    const auto a = add(PrefixTree::kRoot, page_of(1)), ab = add(a, page_of(2)), b = add(PrefixTree::kRoot, page_of(2));
    EXPECT_EQ(tree.size(), 3);
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(1)), a);
    EXPECT_EQ(find(a, page_of(2)), ab);
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(2)), b);
    EXPECT_EQ(find(a, page_of(1)), PrefixTree::kNone);
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(1, 63, 64)), PrefixTree::kNone);
}

TEST_F(PrefixTreeTest, tells_the_page_that_shares_most_tokens) {
    const auto ten = add(PrefixTree::kRoot, page_of(5, 10, 64, 7)), forty = add(PrefixTree::kRoot, page_of(5, 40));
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(5)).node, forty);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(5)).common, 40);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(5, 12)).common, 12);  // no more than wanted
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(5, 10, 20, 7)).node, ten);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(5, 10, 20, 7)).common, 20);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(5, 10, 20, 3)).common, 10);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(6)).node, PrefixTree::kNone);
    EXPECT_EQ(tree.longest(forty, page_of(5)).common, 0);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, {}).common, 0);
}

TEST_F(PrefixTreeTest, agrees_with_looking_at_every_page) {
    PagePool large = std::move(*PagePool::create(64, 300));
    PrefixTree many(large);
    Random random(3);
    const auto any = [&] {
        std::vector<int32_t> tokens(1 + random.below(kPageTokens));
        for (int32_t& token : tokens) token = random.below(8) == 0;
        return tokens;
    };
    std::vector<std::vector<int32_t>> pages;
    for (int i = 0; i < 250; i++) {
        pages.push_back(any());
        many.publish(PrefixTree::kRoot, pages.back(), *large.take());
    }
    for (int i = 0; i < 2000; i++) {
        const auto wanted = any();
        int32_t best = 0;
        for (const auto& page : pages) {
            const auto common = std::ranges::mismatch(page, wanted).in1 - page.begin();
            best = std::max(best, static_cast<int32_t>(common));
        }
        ASSERT_EQ(many.longest(PrefixTree::kRoot, wanted).common, best);
    }
}

TEST_F(PrefixTreeTest, the_first_page_with_the_same_tokens_stays) {
    const auto a = add(PrefixTree::kRoot, page_of(1));
    const int32_t second = *pool.take();
    EXPECT_EQ(tree.publish(PrefixTree::kRoot, page_of(1), second), a);
    EXPECT_EQ(tree.publish(PrefixTree::kRoot, page_of(1, 20), second), a);  // nothing that it lacks
    EXPECT_NE(tree.page(a), second);
    pool.release(second);
    EXPECT_EQ(pool.cached_only(), 1);
}

TEST_F(PrefixTreeTest, a_longer_page_replaces_its_beginning) {
    const auto other = add(PrefixTree::kRoot, page_of(1, 20, 40));
    add(PrefixTree::kRoot, page_of(1, 20));
    EXPECT_EQ(tree.size(), 1);
    add(PrefixTree::kRoot, page_of(1, 25));
    const auto longer = add(PrefixTree::kRoot, page_of(1, 30));
    EXPECT_EQ(tree.size(), 2);
    const auto whole = add(PrefixTree::kRoot, page_of(1));
    EXPECT_EQ(tree.size(), 2);
    EXPECT_EQ(pool.cached_only(), 2);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(1)).node, whole);
    EXPECT_EQ(tree.longest(PrefixTree::kRoot, page_of(1, 20, 41)).node, other);
    EXPECT_EQ(whole, longer);  // its place, as it happens
    EXPECT_EQ(tree.evictions(), 0u);
}

TEST_F(PrefixTreeTest, evicts_the_least_recently_used_leaf) {
    const auto a = add(PrefixTree::kRoot, page_of(1)), ab = add(a, page_of(2, 7));
    add(PrefixTree::kRoot, page_of(3));
    tree.touch(ab);
    EXPECT_TRUE(tree.evict());  // page 3: a and ab were used later
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(3)), PrefixTree::kNone);
    EXPECT_TRUE(tree.evict());
    EXPECT_EQ(find(a, page_of(2, 7)), PrefixTree::kNone);  // the leaf before its parent
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(1)), a);
    EXPECT_TRUE(tree.evict());
    EXPECT_FALSE(tree.evict());
    EXPECT_EQ(tree.size(), 0);
    EXPECT_EQ(tree.evictions(), 3u);
    EXPECT_EQ(pool.free(), 8);
}

TEST_F(PrefixTreeTest, keeps_what_a_sequence_uses) {
    const auto a = add(PrefixTree::kRoot, page_of(1));
    add(PrefixTree::kRoot, page_of(2));
    pool.retain(tree.page(a));
    EXPECT_TRUE(tree.evict());
    EXPECT_FALSE(tree.evict());
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(1)), a);
}

TEST_F(PrefixTreeTest, a_reused_node_has_no_memory_of_the_last) {
    const auto a = add(PrefixTree::kRoot, page_of(1));
    ASSERT_TRUE(tree.evict());
    const auto b = add(PrefixTree::kRoot, page_of(2));
    EXPECT_EQ(a, b);
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(1)), PrefixTree::kNone);
}

TEST_F(PrefixTreeTest, salts_share_nothing_and_go_when_nothing_is_left_of_them) {
    EXPECT_EQ(tree.hold_root(""), PrefixTree::kRoot);
    const auto ann = tree.hold_root("ann"), bob = tree.hold_root("bob");
    EXPECT_NE(ann, bob);
    EXPECT_EQ(tree.hold_root("ann"), ann);
    const auto page = add(ann, page_of(1));
    EXPECT_EQ(find(ann, page_of(1)), page);
    EXPECT_EQ(find(bob, page_of(1)), PrefixTree::kNone);
    EXPECT_EQ(find(PrefixTree::kRoot, page_of(1)), PrefixTree::kNone);
    EXPECT_EQ(tree.salts(), 2);
    tree.release_root(bob);
    EXPECT_EQ(tree.salts(), 1);
    tree.release_root(ann), tree.release_root(ann);
    EXPECT_EQ(tree.salts(), 1);  // its page is still there
    EXPECT_EQ(tree.hold_root("ann"), ann);
    tree.release_root(ann);
    EXPECT_TRUE(tree.evict());
    EXPECT_EQ(tree.salts(), 0);
    EXPECT_EQ(tree.size(), 0);
}

}  // namespace
}  // namespace hone::engine
