#include "cli/chat/line_editor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <histedit.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/env.h"

namespace hone::cli {

namespace fs = std::filesystem;

namespace {

constexpr int kRememberedLines = 1000;
constexpr uintmax_t kLongestHistory = 1 << 20;  // bytes of the file; a longer one is cut to the lines above

// The terminal then says where pasted text begins and ends (xterm's mode 2004).
constexpr const char *kMarkPastes = "\x1b[?2004h", *kNoMarks = "\x1b[?2004l";
constexpr char kEndOfInput = 4;  // Ctrl-D
constexpr std::wstring_view kPasteEnd = L"\x1b[201~";

// What would leave the terminal without editing's end.
constexpr std::array kNotedSignals{SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};
std::array<std::atomic<bool>, kNotedSignals.size()> noted_signals;

// While it lives those signals are noted and do nothing else.
class NotedSignals {
  public:
    NotedSignals() {
        struct sigaction note {};
        note.sa_handler = [](int number) {
            for (size_t i = 0; i < kNotedSignals.size(); i++)
                if (kNotedSignals[i] == number) noted_signals[i] = true;
        };
        for (size_t i = 0; i < before_.size(); i++) sigaction(kNotedSignals[i], &note, &before_[i]);
    }
    ~NotedSignals() {
        for (size_t i = 0; i < before_.size(); i++) sigaction(kNotedSignals[i], &before_[i], nullptr);
    }
    NotedSignals(const NotedSignals&) = delete;

    // One that came since the last call; 0: none.
    static int take() {
        for (size_t i = 0; i < kNotedSignals.size(); i++)
            if (noted_signals[i].exchange(false)) return kNotedSignals[i];
        return 0;
    }

    // Lets it have the effect that it has elsewhere.
    void obey(int number) const {
        const auto at = static_cast<size_t>(std::ranges::find(kNotedSignals, number) - kNotedSignals.begin());
        struct sigaction note {};
        sigaction(number, &before_[at], &note);
        raise(number);
        sigaction(number, &note, nullptr);
    }

  private:
    std::array<struct sigaction, kNotedSignals.size()> before_{};
};

// While it lives Ctrl-C does what it does to other programs.
class DefaultInterrupt {
  public:
    DefaultInterrupt() : before_(std::signal(SIGINT, SIG_DFL)) {}
    ~DefaultInterrupt() { std::signal(SIGINT, before_); }
    DefaultInterrupt(const DefaultInterrupt&) = delete;

  private:
    void (*before_)(int);
};

bool has_terminal() {
    const auto type = env("TERM");
    return type && *type != "dumb" && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

}  // namespace

class LineEditor::Terminal {
  public:
    Terminal(std::atomic<bool>& interrupted, std::optional<fs::path> file)
        : interrupted_(interrupted), file_(std::move(file)), history_(history_init()) {
        std::setlocale(LC_CTYPE, "C.UTF-8");  // libedit counts columns by it; our texts are UTF-8
        editor_ = el_init("hone", stdin, stdout, stderr);
        el_set(editor_, EL_CLIENTDATA, this);
        el_set(editor_, EL_PROMPT, &Terminal::prompt);
        el_set(editor_, EL_EDITOR, "emacs");
        el_set(editor_, EL_HIST, &history, history_);
        el_set(editor_, EL_GETCFN, &Terminal::next_character);
        el_set(editor_, EL_ADDFN, "hone-paste", "Insert what is pasted", &Terminal::paste);
        bind_keys();
        el_source(editor_, nullptr);  // ~/.editrc
        HistEvent event;
        history(history_, &event, H_SETSIZE, kRememberedLines);
        history(history_, &event, H_SETUNIQUE, 1);
        load();
    }
    ~Terminal() {
        el_end(editor_);
        history_end(history_);
    }
    Terminal(const Terminal&) = delete;

    TypedLine read(const std::string& prompt) {
        prompt_ = prompt;
        interrupted_ = false;
        is_interrupted_ = false;
        std::fputs(kMarkPastes, stdout);
        std::fflush(stdout);
        int count = 0;
        const char* const line = [&] {
            const NotedSignals signals;
            signals_ = &signals;
            return el_gets(editor_, &count);
        }();
        std::fputs(kNoMarks, stdout);
        if (is_interrupted_) std::fputs("^C\n", stdout);
        std::fflush(stdout);
        if (is_interrupted_) return {.kind = TypedLine::Kind::interrupted};
        if (!line || count <= 0) return {.kind = TypedLine::Kind::end};
        std::string text(line);
        if (text.ends_with('\n')) text.pop_back();
        return {.text = std::move(text)};
    }

    void remember(const std::string& text) {
        HistEvent event;
        if (history(history_, &event, H_ENTER, text.c_str()) < 0 || !file_) return;
        // Appended on its own, so that conversations at the same time do not lose each other's.
        std::FILE* const file = std::fopen(file_->c_str(), "a");
        if (!file) return;
        ::fchmod(fileno(file), S_IRUSR | S_IWUSR);
        std::fseek(file, 0, SEEK_END);
        History* const alone = history_init();
        history(alone, &event, H_SETSIZE, 1);
        history(alone, &event, H_ENTER, text.c_str());
        history(alone, &event, H_SAVE_FP, file);
        history_end(alone);
        std::fclose(file);
    }

  private:
    static Terminal& of(EditLine* editor) {
        void* self = nullptr;
        el_get(editor, EL_CLIENTDATA, &self);
        return *static_cast<Terminal*>(self);
    }
    static char* prompt(EditLine* editor) { return of(editor).prompt_.data(); }

    void bind_keys() {
        constexpr std::pair<const char*, const char*> kKeys[] = {
            {"\\e[200~", "hone-paste"},  {"^R", "em-inc-search-prev"},      {"\\e[H", "ed-move-to-beg"},
            {"\\e[F", "ed-move-to-end"}, {"\\e[3~", "ed-delete-next-char"}, {"\\e[1;5C", "em-next-word"},
            {"\\e[1;5D", "ed-prev-word"}};
        for (const auto& [key, action] : kKeys) el_set(editor_, EL_BIND, key, action, nullptr);
    }

    void load() {
        if (!file_) return;
        HistEvent event;
        std::error_code failure;
        if (history(history_, &event, H_LOAD, file_->c_str()) < 0) return;
        if (fs::file_size(*file_, failure) > kLongestHistory && !failure) shorten();
    }

    // In place of the file whole or not at all: who is killed meanwhile leaves the long one. libedit saves to files with
    // a descriptor alone.
    void shorten() {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> scratch(std::tmpfile(), &std::fclose);
        HistEvent event;
        if (!scratch || history(history_, &event, H_SAVE_FP, scratch.get()) < 0) return;
        std::string text(static_cast<size_t>(std::ftell(scratch.get())), '\0');
        std::rewind(scratch.get());
        if (std::fread(text.data(), 1, text.size(), scratch.get()) == text.size())
            (void)write_file(*file_, text, S_IRUSR | S_IWUSR);  // otherwise it stays long
    }

    // A character of what is typed: 1, or 0 at the end, or -1 after Ctrl-C.
    static int next_character(EditLine* editor, wchar_t* character) {
        Terminal& self = of(editor);
        std::mbstate_t state{};
        for (;;) {
            pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
            const int ready = poll(&input, 1, 100);
            if (self.interrupted_.exchange(false)) {
                self.is_interrupted_ = true;
                errno = EINTR;
                return -1;
            }
            if (const int number = NotedSignals::take()) self.obey(number);
            if (ready <= 0) continue;
            char byte = 0;
            const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
            if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (count <= 0) return 0;
            // A Ctrl-D that came before libedit had taken the terminal over is left as a zero by it.
            if (byte == 0) byte = kEndOfInput;
            const size_t used = std::mbrtowc(character, &byte, 1, &state);
            if (used == static_cast<size_t>(-2)) continue;  // more bytes of the character follow
            if (used == static_cast<size_t>(-1)) *character = L'\xFFFD';
            return 1;
        }
    }

    // The terminal is as it was before the line while the program stops or ends.
    void obey(int number) {
        if (number == SIGWINCH) return el_resize(editor_);
        el_set(editor_, EL_PREP_TERM, 0);
        std::fputs(kNoMarks, stdout);
        std::fflush(stdout);
        signals_->obey(number);
        std::fputs(kMarkPastes, stdout);
        el_set(editor_, EL_PREP_TERM, 1);
        el_set(editor_, EL_REFRESH);
    }

    static unsigned char paste(EditLine* editor, int) {
        std::wstring text;
        wchar_t character = 0;
        while (!text.ends_with(kPasteEnd)) {
            if (el_wgetc(editor, &character) != 1) return CC_EOF;
            text += character == L'\r' ? L'\n' : character;
        }
        text.resize(text.size() - kPasteEnd.size());
        el_winsertstr(editor, text.c_str());
        return CC_REFRESH;
    }

    std::atomic<bool>& interrupted_;
    const std::optional<fs::path> file_;
    History* const history_;
    EditLine* editor_ = nullptr;
    const NotedSignals* signals_ = nullptr;  // while a line is typed
    std::string prompt_;
    bool is_interrupted_ = false;
};

LineEditor::LineEditor(std::atomic<bool>& interrupted, std::optional<fs::path> history) {
    if (has_terminal()) terminal_ = std::make_unique<Terminal>(interrupted, std::move(history));
}

LineEditor::~LineEditor() = default;

TypedLine LineEditor::read(const std::string& prompt) {
    if (terminal_) return terminal_->read(prompt);
    fmt::print("{}", prompt);
    std::fflush(stdout);
    TypedLine line;
    const DefaultInterrupt interrupt;
    if (!std::getline(std::cin, line.text)) line.kind = TypedLine::Kind::end;
    return line;
}

void LineEditor::remember(const std::string& text) {
    if (terminal_) terminal_->remember(text);
}

TypedLine read_message(LineEditor& editor) {
    constexpr std::string_view kBlock = R"(""")";
    constexpr const char *kFirst = "> ", *kFurther = ". ";
    TypedLine message = editor.read(kFirst);
    const bool is_block = message.text.starts_with(kBlock);
    message.is_block = is_block;
    if (is_block) message.text.erase(0, kBlock.size());
    const auto goes_on = [&] { return is_block ? !message.text.ends_with(kBlock) : message.text.ends_with('\\'); };
    while (message.kind == TypedLine::Kind::text && goes_on()) {
        if (!is_block) message.text.pop_back();
        TypedLine next = editor.read(kFurther);
        if (next.kind == TypedLine::Kind::interrupted) return next;
        if (next.kind == TypedLine::Kind::end) return message;  // what there is; the next read tells the end
        message.text += '\n' + next.text;
    }
    if (is_block && message.text.ends_with(kBlock)) message.text.resize(message.text.size() - kBlock.size());
    if (message.text.starts_with('\n')) message.text.erase(0, 1);
    if (is_block && message.text.ends_with('\n')) message.text.pop_back();
    if (message.kind == TypedLine::Kind::text && message.text.find_first_not_of(" \n") != std::string::npos)
        editor.remember(message.text);
    return message;
}

std::optional<fs::path> chat_history_file() {
    fs::path folder;
    if (const auto state = env("XDG_STATE_HOME"); state && fs::path(*state).is_absolute()) {
        folder = *state;
    } else if (const auto home = env("HOME")) {
        folder = fs::path(*home) / ".local/state";
    } else {
        return std::nullopt;
    }
    folder /= "hone";
    if (const Status made = make_folders(folder); !made) return std::nullopt;  // a home that is not ours to write
    ::chmod(folder.c_str(), S_IRWXU);
    return folder / "chat_history";
}

}  // namespace hone::cli
