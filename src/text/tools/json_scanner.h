// Finds the end of a JSON value (RFC 8259, strictly) in a text that arrives in pieces, byte by byte and without keeping
// it. A plain value; one thread. What it accepts has at most kDeepestJson containers in each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hone::text {

inline constexpr size_t kDeepestJson = 256;

class JsonScanner {
  public:
    enum class State {
        open,     // the value goes on behind the text
        done,     // it is whole
        invalid,  // no continuation makes it JSON
    };

    // Reads on at text[at] and returns the place where it stopped: the end of the text while the value is open, the
    // first byte behind it, or the byte that is wrong. Blanks before the value belong to it.
    size_t read(std::string_view text, size_t at);

    State state() const { return state_; }

  private:
    enum class Expects {
        value,
        value_or_close,  // first in a list
        key,
        key_or_close,  // first in an object
        colon,
        comma_or_close,
        string,
        escape,
        hex,
        literal,
        number,
    };
    enum class Number { sign, zero, whole, point, fraction, exponent, exponent_sign, exponent_digits };

    // Whether the byte is part of the value; state_ says what became of it.
    bool take(char byte);
    bool begin_value(char byte);
    bool take_in_container(char byte);
    bool take_in_string(char byte);
    bool take_number(char byte);
    void end_value();
    bool invalid();

    State state_ = State::open;
    Expects expects_ = Expects::value;
    Number number_ = Number::sign;
    std::string closers_;  // of the containers that are open
    std::string_view literal_;
    int hex_digits_ = 0;
    bool in_key_ = false;
};

// The end of the value at text[at]; npos if it is not whole or not JSON. A number needs something behind it.
size_t json_end(std::string_view text, size_t at);

}  // namespace hone::text
