// Who may come in, and when those who may not are told to come back.
#include "serve/admission.h"

#include <gtest/gtest.h>

namespace hone::serve {
namespace {

class AdmissionTest : public testing::Test {
  protected:
    void start(AdmissionLimits limits) {
        admission = std::make_shared<Admission>(limits, [this] { return now; });
    }
    // The error's code; empty if the request came in.
    std::string enter(uint32_t tenant = 0) {
        Place place;
        const auto refused = admission->enter(tenant, place);
        if (!refused) places[tenant].push_back(std::move(place));
        last = refused.value_or(ApiError{});
        return last.code;
    }

    // Comes in as one and turns out to be so many; keeps its places if it gets them.
    std::string enter_as(int32_t sequences, uint32_t tenant = 0) {
        if (const std::string refused = enter(tenant); !refused.empty()) return refused;
        last = places[tenant].back().resize(sequences).value_or(ApiError{});
        if (!last.code.empty()) places[tenant].pop_back();
        return last.code;
    }

    double now = 1000;
    std::shared_ptr<Admission> admission;
    std::map<uint32_t, std::vector<Place>> places;
    ApiError last;
};

TEST_F(AdmissionTest, takes_as_many_as_run_and_wait) {
    start({.streams = 2, .waiting = 1});
    for (int i = 0; i < 3; ++i) EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "overloaded");
    EXPECT_EQ(last.status, 429);
    places[0].pop_back();
    EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "overloaded");
    places.clear();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(enter(), "");
}

TEST_F(AdmissionTest, nothing_need_wait_where_nothing_may) {
    start({.streams = 1, .waiting = 0});
    EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "overloaded");
}

TEST_F(AdmissionTest, a_request_counts_by_its_sequences_until_each_ends) {
    start({.streams = 4, .waiting = 0});
    EXPECT_EQ(enter(), "");
    Place& place = places[0][0];
    EXPECT_FALSE(place.resize(4));
    EXPECT_EQ(enter(), "overloaded");
    place.started();
    place.ended(true);
    place.ended(false);
    EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "overloaded");
    places[0].erase(places[0].begin());  // with the two that were left
    EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "");
    EXPECT_EQ(enter(), "overloaded");
}

TEST_F(AdmissionTest, a_request_of_many_sequences_needs_as_many_places) {
    start({.streams = 4, .waiting = 4, .key_streams = 6, .key_waiting = 5, .shares = 2});
    EXPECT_EQ(enter_as(6, 1), "invalid_value") << "never, whoever else is there";
    EXPECT_EQ(last.status, 400);
    EXPECT_EQ(last.param, "n");
    EXPECT_EQ(enter_as(5, 1), "");
    places[1][0].started();
    EXPECT_EQ(enter_as(1, 1), "");
    EXPECT_EQ(enter_as(1, 1), "key_limit");
    EXPECT_EQ(enter_as(2, 2), "");
    EXPECT_EQ(enter_as(1, 3), "overloaded");
    EXPECT_EQ(last.status, 429);
    EXPECT_GT(last.retry_after, 0);
    places.erase(2);
    EXPECT_EQ(enter_as(3, 3), "overloaded");
    EXPECT_EQ(enter_as(2, 3), "") << "what was refused took nothing";
}

// One that waits for several is held to what they leave to others, as if they came one after the other.
TEST_F(AdmissionTest, a_share_is_the_same_in_one_request_as_in_many) {
    for (const int32_t together : {1, 3, 80, 81}) {
        places.clear();
        start({.streams = 50, .waiting = 50, .shares = 2});
        int32_t taken = 0;
        while (enter_as(together, 1).empty()) taken += together;
        while (enter(1).empty()) ++taken;
        EXPECT_EQ(taken, 80) << together;
        EXPECT_EQ(last.code, "key_share");
    }
}

TEST_F(AdmissionTest, keys_have_limits_of_their_own) {
    start({.streams = 100, .waiting = 0, .key_streams = 3, .key_waiting = 2});
    EXPECT_EQ(enter(1), "");
    EXPECT_EQ(enter(1), "");
    EXPECT_EQ(enter(1), "key_limit");  // two wait
    EXPECT_EQ(enter(2), "");
    places[1][0].started();
    EXPECT_EQ(enter(1), "");
    places[1][1].started();
    EXPECT_EQ(enter(1), "key_limit");  // three are there
    places[1][0].ended(true);
    EXPECT_EQ(enter(1), "");
}

TEST_F(AdmissionTest, a_key_that_floods_leaves_room_for_others) {
    start({.streams = 50, .waiting = 50, .shares = 2});
    int taken = 0;
    while (enter(1).empty()) ++taken;
    EXPECT_EQ(last.code, "key_share");
    EXPECT_EQ(taken, 80);
    EXPECT_EQ(enter(2), "");
    EXPECT_EQ(enter(1), "key_share");
}

TEST_F(AdmissionTest, one_key_alone_may_have_everything) {
    start({.streams = 50, .waiting = 50, .shares = 1});
    for (int i = 0; i < 100; ++i) ASSERT_EQ(enter(1), "");
    EXPECT_EQ(enter(1), "overloaded");
}

// A sequence ends every second: those refused are called back one a second, and nobody later than in a minute.
TEST_F(AdmissionTest, tells_when_a_place_may_be_free) {
    start({.streams = 10, .waiting = 0});
    for (int i = 0; i < 10; ++i) enter();
    enter();
    EXPECT_EQ(last.retry_after, 2) << "nothing is known yet";
    now += 10;
    for (int i = 0; i < 5; ++i, now += 1) {
        places[0].pop_back();
        enter();
    }
    std::vector<int> told;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(enter(), "overloaded");
        told.push_back(last.retry_after);
    }
    EXPECT_EQ(told[0], 1);
    EXPECT_EQ(told[9], 10);
    EXPECT_EQ(told[99], 60);
    now += 58;
    enter();
    EXPECT_GT(last.retry_after, 2) << "the places until then are promised";
}

TEST_F(AdmissionTest, places_may_outlive_it) {
    start({.streams = 1, .waiting = 0});
    EXPECT_EQ(enter(), "");
    admission = nullptr;
    places.clear();
}

}  // namespace
}  // namespace hone::serve
