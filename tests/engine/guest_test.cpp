// A guest on the engine's threads: when it gets a turn, and that it changes no answer.

#include <atomic>
#include <thread>

#include "base/clock.h"
#include "engine/schedule/time_budget.h"
#include "tests/engine/loop_fixture.h"

namespace hone::engine {
namespace {

// Loops over tiles of 0.1 ms until it is told to stop.
class Guest {
  public:
    explicit Guest(Turns& turns) : thread_([this, &turns] { run(turns); }) {}
    ~Guest() { EXPECT_FALSE(thread_.joinable()) << "stop() it"; }
    // While somebody gives turns.
    void stop() { stopping_ = true; }
    void join() { thread_.join(); }
    bool ended() const { return ended_; }
    int64_t tiles() const { return tiles_; }

  private:
    void run(Turns& turns) {
        ThreadPool pool(turns);
        {
            const Visit visit(pool);
            while (!stopping_) {
                pool.parallel_for(50, [&](int64_t, int) {
                    for (const double end = monotonic_seconds() + 1e-4; monotonic_seconds() < end;) {
                    }
                    tiles_++;
                });
            }
        }
        ended_ = true;
    }

    std::atomic<bool> stopping_ = false, ended_ = false;
    std::atomic<int64_t> tiles_ = 0;
    std::thread thread_;
};

class GuestTest : public LoopFixture {
  protected:
    GuestTest() : LoopFixture(200) {}
    ~GuestTest() override {
        if (guest) end_guest();
        loop.reset();
    }
    void start_with_guest(LoopOptions options = {}) {
        options.threads = 2;
        options.turns = &turns;
        start(64, options);
        guest.emplace(turns);
        while (!loop->guest_waits()) std::this_thread::yield();
    }
    void end_guest() {
        guest->stop();
        run();
        while (!guest->ended()) loop->give_turn();
        guest->join();
        guest.reset();
    }
    double turn_seconds() {
        const double before = loop->metrics().guest_seconds;
        loop->give_turn();
        return loop->metrics().guest_seconds - before;
    }

    Turns turns;
    std::optional<Guest> guest;
};

TEST_F(GuestTest, IdleLoopsGiveAFewMilliseconds) {
    start_with_guest();
    double seconds = 0;
    int turns_given = 0;
    for (; guest->tiles() <= 100 && turns_given < 1000; turns_given++)
        seconds += turn_seconds();  // it may wait for a CPU
    EXPECT_GT(guest->tiles(), 100);
    EXPECT_GT(seconds, 0.002 * turns_given);
}

TEST_F(GuestTest, DecodingLeavesWhatItsTargetLeaves) {
    LoopOptions options;
    options.limits.token_gap = {.milliseconds = 40};
    start_with_guest(options);
    add(request_of(20, {.max_tokens = 8}));
    loop->step();
    loop->report();
    EXPECT_EQ(turn_seconds(), 0) << "behind a prompt";
    for (int step = 0; step < 6; step++) {
        const double begin = monotonic_seconds();
        loop->step();
        loop->report();
        const double stepped = monotonic_seconds() - begin;
        EXPECT_GT(turn_seconds() + stepped, 0.010);
        EXPECT_EQ(turn_seconds(), 0) << "a second turn behind one step";
    }
}

TEST_F(GuestTest, AnswersAreTheSame) {
    const auto answers = [&] {
        std::vector<RequestId> ids;
        for (size_t i = 0; i < 6; i++)
            ids.push_back(add(request_of(10 + 40 * i, {.temperature = 1, .max_tokens = 10, .top_logprobs = 2})));
        while (!loop->idle()) {
            loop->step();
            loop->report();
            loop->give_turn();
        }
        std::vector<std::vector<TokenRecord>> records;
        for (const RequestId id : ids) records.push_back(records_of(id));
        return records;
    };
    start(64, {.threads = 2});
    const auto alone = answers();
    LoopOptions options;
    options.limits.token_gap = {.milliseconds = 5};
    start_with_guest(options);
    const auto beside = answers();
    EXPECT_GT(loop->metrics().guest_seconds, 0);
    ASSERT_EQ(alone.size(), beside.size());
    for (size_t i = 0; i < alone.size(); i++) {
        ASSERT_EQ(alone[i].size(), beside[i].size());
        for (size_t t = 0; t < alone[i].size(); t++) {
            EXPECT_EQ(alone[i][t].token, beside[i][t].token);
            EXPECT_EQ(alone[i][t].raw_logprob, beside[i][t].raw_logprob);
        }
    }
}

}  // namespace
}  // namespace hone::engine
