#include "engine/cache/prefix_tree.h"

#include <gtest/gtest.h>

namespace hone::engine {
namespace {

std::vector<int32_t> page_of(int32_t token) {
    return std::vector<int32_t>(kPageTokens, token);
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
    PagePool pool = std::move(*PagePool::create(64, 8));
    PrefixTree tree{pool};
};

TEST_F(PrefixTreeTest, finds_whole_pages_along_a_path) {
    const auto a = add(PrefixTree::kRoot, page_of(1)), ab = add(a, page_of(2)), b = add(PrefixTree::kRoot, page_of(2));
    EXPECT_EQ(tree.size(), 3);
    EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(1)), a);
    EXPECT_EQ(tree.find(a, page_of(2)), ab);
    EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(2)), b);
    EXPECT_EQ(tree.find(a, page_of(1)), PrefixTree::kNone);
    auto almost = page_of(1);
    almost.back() = 9;
    EXPECT_EQ(tree.find(PrefixTree::kRoot, almost), PrefixTree::kNone);
}

TEST_F(PrefixTreeTest, the_first_page_with_the_same_tokens_stays) {
    const auto a = add(PrefixTree::kRoot, page_of(1));
    const int32_t second = *pool.take();
    EXPECT_EQ(tree.publish(PrefixTree::kRoot, page_of(1), second), a);
    EXPECT_NE(tree.page(a), second);
    pool.release(second);
    EXPECT_EQ(pool.cached_only(), 1);
}

TEST(PrefixTree, equal_hashes_do_not_mix_prefixes) {
    PagePool pool = std::move(*PagePool::create(64, 8));
    PrefixTree tree(pool, [](PrefixTree::Node, std::span<const int32_t>) { return uint64_t{7}; });
    std::vector<PrefixTree::Node> nodes;
    for (int32_t token = 0; token < 4; token++)
        nodes.push_back(tree.publish(PrefixTree::kRoot, page_of(token), *pool.take()));
    const auto below = tree.publish(nodes[1], page_of(0), *pool.take());
    for (int32_t token = 0; token < 4; token++) {
        EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(token)), nodes[static_cast<size_t>(token)]);
    }
    EXPECT_EQ(tree.find(nodes[1], page_of(0)), below);
    EXPECT_EQ(tree.find(nodes[2], page_of(0)), PrefixTree::kNone);
}

TEST_F(PrefixTreeTest, evicts_the_least_recently_used_leaf) {
    const auto a = add(PrefixTree::kRoot, page_of(1)), ab = add(a, page_of(2));
    add(PrefixTree::kRoot, page_of(3));
    tree.touch(ab);
    EXPECT_TRUE(tree.evict());  // page 3: a and ab were used later
    EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(3)), PrefixTree::kNone);
    EXPECT_TRUE(tree.evict());
    EXPECT_EQ(tree.find(a, page_of(2)), PrefixTree::kNone);  // the leaf before its parent
    EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(1)), a);
    EXPECT_TRUE(tree.evict());
    EXPECT_FALSE(tree.evict());
    EXPECT_EQ(tree.size(), 0);
    EXPECT_EQ(pool.free(), 8);
}

TEST_F(PrefixTreeTest, keeps_what_a_sequence_uses) {
    const auto a = add(PrefixTree::kRoot, page_of(1));
    add(PrefixTree::kRoot, page_of(2));
    pool.retain(tree.page(a));
    EXPECT_TRUE(tree.evict());
    EXPECT_FALSE(tree.evict());
    EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(1)), a);
}

TEST_F(PrefixTreeTest, a_reused_node_has_no_memory_of_the_last) {
    const auto a = add(PrefixTree::kRoot, page_of(1));
    ASSERT_TRUE(tree.evict());
    const auto b = add(PrefixTree::kRoot, page_of(2));
    EXPECT_EQ(a, b);
    EXPECT_EQ(tree.find(PrefixTree::kRoot, page_of(1)), PrefixTree::kNone);
}

}  // namespace
}  // namespace hone::engine
