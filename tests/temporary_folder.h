// A folder of a test's own, gone with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace hone {

class TemporaryFolder {
  public:
    TemporaryFolder() : path(make()) {}
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::filesystem::path path;

  private:
    static std::filesystem::path make() {
        std::string name = testing::TempDir() + "hone-XXXXXX";
        return ::mkdtemp(name.data());
    }
};

}  // namespace hone
