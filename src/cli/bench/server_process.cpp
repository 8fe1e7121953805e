#include "cli/bench/server_process.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hone::cli {
namespace {

// Pointers as execve takes them, into strings that outlive them.
std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& text : strings) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

// Ours, but for a key that clients would need; the server logs errors only.
std::vector<std::string> child_environment() {
    std::vector<std::string> out{"HONE_LOG=error"};
    for (char** entry = environ; *entry; entry++) {
        const std::string_view text = *entry;
        if (!text.starts_with("HONE_API_KEY=") && !text.starts_with("HONE_LOG=")) out.emplace_back(text);
    }
    return out;
}

}  // namespace

std::vector<std::string> server_arguments(const ModelOptions& model) {
    std::vector<std::string> arguments;
    if (!model.path.empty()) arguments.push_back(model.path);
    if (!model.shape.empty()) arguments.insert(arguments.end(), {"--shape", model.shape});
    arguments.insert(arguments.end(), {"--weights", model.weights, "--class", model.numeric_class, "--threads",
                                       std::to_string(model.threads), "--isa", model.isa});
    return arguments;
}

Result<ServerProcess> ServerProcess::start(const std::vector<std::string>& arguments) {
    std::vector<std::string> words{"hone", "serve", "--host", "127.0.0.1", "--port", "0"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<std::string> environment = child_environment();
    const std::vector<char*> argv = pointers(words), envp = pointers(environment);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return error("cannot make a pipe: {}", std::strerror(errno));
    const pid_t parent = ::getpid(), pid = ::fork();
    if (pid < 0) return error("cannot start a process: {}", std::strerror(errno));
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent || ::dup2(ends[1], STDOUT_FILENO) < 0) ::_exit(127);
        ::execve("/proc/self/exe", argv.data(), envp.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    return ServerProcess(pid, ends[0]);
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::exchange(other.output_, -1)), port_(other.port_) {}

ServerProcess::~ServerProcess() {
    if (output_ >= 0) ::close(output_);
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

Status ServerProcess::wait_until_listening() {
    constexpr std::string_view kSaid = "listening on http://127.0.0.1:";
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = ::read(output_, buffer, sizeof buffer)) != 0;) {
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) break;
        text.append(buffer, static_cast<size_t>(count));
        const size_t at = text.find(kSaid), end = text.find('\n', at);
        if (at == std::string::npos || end == std::string::npos) continue;
        std::from_chars(text.data() + at + kSaid.size(), text.data() + end, port_);
        return ok();
    }
    return error("hone serve ended before it listened; what it said is above");
}

Result<size_t> ServerProcess::private_bytes() const {
    std::ifstream file(fmt::format("/proc/{}/status", pid_));
    std::string word;
    size_t kib = 0;
    while (file >> word) {
        if (word == "RssAnon:" && file >> kib) return kib * 1024;
    }
    return error("the system does not tell the server's memory (RssAnon in /proc/{}/status)", pid_);
}

}  // namespace hone::cli
