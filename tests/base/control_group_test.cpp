// Limits of control groups, read from trees of files as the system shows them.

#include "base/control_group.h"

#include <fstream>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "base/topology.h"

namespace hone {
namespace {

// A root folder with the given files.
struct Root {
    std::filesystem::path path =
        std::filesystem::path(testing::TempDir()) / ("hone_control_group_" + std::to_string(getpid()));

    explicit Root(std::initializer_list<std::pair<const char*, const char*>> files) {
        for (const auto& [name, text] : files) {
            std::filesystem::create_directories((path / name).parent_path());
            std::ofstream(path / name) << text;
        }
    }
    ~Root() { std::filesystem::remove_all(path); }
};

TEST(ControlGroup, NothingIsLimitedWithoutGroups) {
    for (const char* line : {"", "0::/\n", "nonsense", "0::/../../..\n"}) {
        const Root root{{"proc/self/cgroup", line}};
        const auto limits = control_group_limits(root.path);
        EXPECT_FALSE(limits.cpus || limits.memory_bytes || limits.memory_free) << line;
    }
    EXPECT_FALSE(control_group_limits("/nonexistent").cpus);
}

TEST(ControlGroup, VersionTwoTakesTheTightestLevel) {
    const Root root{{"proc/self/cgroup", "0::/outer/inner\n"},
                    {"sys/fs/cgroup/outer/cpu.max", "250000 100000\n"},
                    {"sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n"},
                    {"sys/fs/cgroup/outer/memory.max", "1000\n"},
                    {"sys/fs/cgroup/outer/memory.current", "900\n"},
                    {"sys/fs/cgroup/outer/memory.stat", "anon 700\ninactive_file 150\nactive_file 50\nshmem 3\n"},
                    {"sys/fs/cgroup/outer/inner/memory.max", "600\n"},
                    {"sys/fs/cgroup/outer/inner/memory.current", "100\n"}};
    const auto limits = control_group_limits(root.path);
    EXPECT_EQ(limits.cpus, 3);
    EXPECT_EQ(limits.memory_bytes, 600u);
    EXPECT_EQ(limits.memory_free, 300u);  // of the outer group: 1000 - (900 - 200)
}

TEST(ControlGroup, VersionTwoInAContainerOfItsOwn) {
    const Root root{{"proc/self/cgroup", "0::/\n"},
                    {"sys/fs/cgroup/cpu.max", "50000 100000\n"},
                    {"sys/fs/cgroup/memory.max", "max\n"}};
    const auto limits = control_group_limits(root.path);
    EXPECT_EQ(limits.cpus, 1);
    EXPECT_FALSE(limits.memory_bytes || limits.memory_free);
}

TEST(ControlGroup, VersionOne) {
    const Root root{{"proc/self/cgroup", "5:memory:/unit\n4:cpu,cpuacct:/seen/from/outside\n1:name=systemd:/\n"},
                    {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n"},
                    {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
                    {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                    {"sys/fs/cgroup/memory/unit/memory.limit_in_bytes", "5000\n"},
                    {"sys/fs/cgroup/memory/unit/memory.usage_in_bytes", "7000\n"},
                    {"sys/fs/cgroup/memory/unit/memory.stat", "total_inactive_file 1000\ninactive_file 9\n"}};
    const auto limits = control_group_limits(root.path);
    EXPECT_EQ(limits.cpus, 4);
    EXPECT_EQ(limits.memory_bytes, 5000u);
    EXPECT_EQ(limits.memory_free, 0u);  // more in use than allowed
}

TEST(ControlGroup, VersionOneWithoutLimits) {
    const Root root{{"proc/self/cgroup", "4:cpu:/\n3:memory:/\n"},
                    {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                    {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"},
                    {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}};
    const auto limits = control_group_limits(root.path);
    EXPECT_FALSE(limits.cpus || limits.memory_bytes || limits.memory_free);
}

TEST(Topology, IsWithinTheControlGroups) {
    const auto limits = control_group_limits();
    EXPECT_GE(usable_cpus().size(), 1u);
    EXPECT_LE(usable_cpus().size(), static_cast<size_t>(limits.cpus.value_or(CPU_SETSIZE)));
    EXPECT_LE(physical_memory_bytes(), limits.memory_bytes.value_or(SIZE_MAX));
    EXPECT_LE(available_memory_bytes(), physical_memory_bytes());
}

}  // namespace
}  // namespace hone
