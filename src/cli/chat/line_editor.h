// Reads what a person types: on a terminal with editing, history (kept in a file) and pasted lines that stay together,
// by libedit; elsewhere line by line. One thread; at most one at a time, as there is one terminal.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace hone::cli {

struct TypedLine {
    enum class Kind { text, interrupted, end };
    Kind kind = Kind::text;
    std::string text = {};  // without the line break at its end; pasted text may have some in it
    bool is_block = false;  // it stood between """ and """

    // A single line that begins with '/'.
    bool is_command() const { return !is_block && text.starts_with('/') && text.find('\n') == text.npos; }
};

class LineEditor {
  public:
    // `interrupted` is set by Ctrl-C, which discards the line that is being typed. The history is read from `history`,
    // and what remember() is told is added to it; nothing: it ends with the program. Signals that stop or end the program
    // while a line is typed leave the terminal as it was before; input that is no terminal is interrupted as elsewhere.
    LineEditor(std::atomic<bool>& interrupted, std::optional<std::filesystem::path> history);
    ~LineEditor();

    TypedLine read(const std::string& prompt);
    // What the arrow keys bring back.
    void remember(const std::string& text);

  private:
    class Terminal;
    std::unique_ptr<Terminal> terminal_;  // null: input or output is none
};

// One message: lines that end with a backslash go on with the next one, and those between """ and """ belong together.
TypedLine read_message(LineEditor& editor);

// hone/chat_history in the folder for such files ($XDG_STATE_HOME, ~/.local/state), which is made; nothing without a
// home.
std::optional<std::filesystem::path> chat_history_file();

}  // namespace hone::cli
