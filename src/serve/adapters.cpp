#include "serve/adapters.h"

#include <algorithm>
#include <ctime>

namespace hone::serve {

Status Adapters::check_name(const std::string& name) const {
    constexpr size_t kLongest = 256;
    const bool has_control = std::ranges::any_of(name, [](unsigned char c) { return c < 32 || c == 127; });
    if (name.empty() || name.size() > kLongest || has_control)
        return error("an adapter's name has 1 to {} bytes and no control characters", kLongest);
    if (name == base_) return error("'{}' is the name of the model itself; give the adapter another one", name);
    return ok();
}

Result<AdapterPtr> Adapters::publish(const std::string& name, std::shared_ptr<const model::Adapter> weights,
                                     std::string source) {
    if (const Status fine = check_name(name); !fine) return fine.error();
    AdapterVersion next{.name = name,
                        .weights = std::move(weights),
                        .source = std::move(source),
                        .published = static_cast<int64_t>(std::time(nullptr))};
    AdapterPtr published, replaced;  // the latter may be the last to hold gigabytes, which are freed without the lock
    std::vector<std::shared_ptr<AdapterFollower>> followers;
    {
        std::lock_guard lock(mutex_);
        next.version = ++versions_[name];
        published = std::make_shared<const AdapterVersion>(std::move(next));
        replaced = std::exchange(current_[name], published);
        if (const auto found = followers_.find(name); found != followers_.end()) {
            for (const auto& weak : found->second)
                if (auto follower = weak.lock()) followers.push_back(std::move(follower));
        }
    }
    for (const auto& follower : followers) follower->published(published);
    return published;
}

AdapterPtr Adapters::follow(const std::string& name, std::weak_ptr<AdapterFollower> follower) {
    std::lock_guard lock(mutex_);
    auto& followers = followers_[name];
    std::erase_if(followers, [](const auto& weak) { return weak.expired(); });
    followers.push_back(std::move(follower));
    const auto found = current_.find(name);
    return found == current_.end() ? nullptr : found->second;
}

Result<AdapterPtr> Adapters::load(const std::string& name, const std::string& folder) {
    if (const Status fine = check_name(name); !fine) return fine.error();
    auto weights = loader_(folder);
    if (!weights) return weights.error();
    return publish(name, std::move(*weights), folder);
}

bool Adapters::remove(const std::string& name) {
    AdapterPtr removed;  // freed without the lock
    std::lock_guard lock(mutex_);
    const auto found = current_.find(name);
    if (found == current_.end()) return false;
    removed = std::move(found->second);
    current_.erase(found);
    return true;
}

AdapterPtr Adapters::find(std::string_view name) const {
    std::lock_guard lock(mutex_);
    const auto found = current_.find(name);
    return found == current_.end() ? nullptr : found->second;
}

std::vector<AdapterPtr> Adapters::list() const {
    std::lock_guard lock(mutex_);
    std::vector<AdapterPtr> all;
    for (const auto& [name, version] : current_) all.push_back(version);
    return all;
}

}  // namespace hone::serve
