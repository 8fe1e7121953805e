// The adapters that requests may name as their model: of each name the version that is published now. Publishing swaps a
// pointer: a request keeps the version that it began with, and a version's memory goes with the last one that holds it.
// Any thread; nothing waits for a step. The model, which the versions are of, outlives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace hone::serve {

// Immutable.
struct AdapterVersion {
    std::string name;
    uint64_t version = 1;  // of the name: counts up from 1, also over its removal
    std::shared_ptr<const model::Adapter> weights;
    std::string source;     // the folder that it is from; empty: this process
    int64_t published = 0;  // seconds since 1970
};
using AdapterPtr = std::shared_ptr<const AdapterVersion>;

// Who wants to hear of new versions.
class AdapterFollower {
  public:
    virtual ~AdapterFollower() = default;
    // On the thread that publishes, without a lock; must not block. Of versions that are published at the same time an older
    // one may come last.
    virtual void published(const AdapterPtr& version) = 0;
};

class Adapters {
  public:
    using Loader = std::function<Result<std::shared_ptr<const model::Adapter>>(const std::string& folder)>;

    // `base` is the model's own name; `loader` reads folders, on the thread that calls load().
    Adapters(std::string base, Loader loader) : base_(std::move(base)), loader_(std::move(loader)) {}

    // From here on requests that name it get this version. Error: no name for an adapter (1 to 256 bytes without
    // control characters, not the model's own).
    Result<AdapterPtr> publish(const std::string& name, std::shared_ptr<const model::Adapter> weights,
                               std::string source = {});
    // Publishes what the folder holds; takes as long as reading it. After an error all is as it was.
    Result<AdapterPtr> load(const std::string& name, const std::string& folder);
    // Whether there was one of that name.
    bool remove(const std::string& name);

    // From here on the follower hears of every version of the name, also behind its removal, for as long as it lives. The
    // version of now; null: there is none.
    AdapterPtr follow(const std::string& name, std::weak_ptr<AdapterFollower> follower);

    // Null: there is none.
    AdapterPtr find(std::string_view name) const;
    std::vector<AdapterPtr> list() const;  // by name

  private:
    Status check_name(const std::string& name) const;

    const std::string base_;
    const Loader loader_;
    mutable std::mutex mutex_;  // held for moves of a few words
    std::map<std::string, AdapterPtr, std::less<>> current_;
    std::map<std::string, uint64_t> versions_;  // last of each name
    std::map<std::string, std::vector<std::weak_ptr<AdapterFollower>>> followers_;
};

}  // namespace hone::serve
