#include "text/tools/json_scanner.h"

#include "text/tools/marker_search.h"

namespace hone::text {

namespace {

bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

bool is_hex(char byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

}  // namespace

size_t JsonScanner::read(std::string_view text, size_t at) {
    while (at < text.size() && state_ == State::open && take(text[at])) ++at;
    return at;
}

bool JsonScanner::take(char byte) {
    switch (expects_) {
        case Expects::string:
        case Expects::escape:
        case Expects::hex:
            return take_in_string(byte);
        case Expects::literal:
            if (byte != literal_[0]) return invalid();
            literal_.remove_prefix(1);
            if (literal_.empty()) end_value();
            return true;
        case Expects::number:
            return take_number(byte);
        default:
            break;
    }
    if (kBlanks.find(byte) != kBlanks.npos) return true;
    return take_in_container(byte);
}

bool JsonScanner::take_in_container(char byte) {
    const bool closes = !closers_.empty() && byte == closers_.back();
    switch (expects_) {
        case Expects::value_or_close:
        case Expects::key_or_close:
        case Expects::comma_or_close:
            if (closes) {
                closers_.pop_back();
                end_value();
                return true;
            }
            break;
        default:
            break;
    }
    switch (expects_) {
        case Expects::value:
        case Expects::value_or_close:
            return begin_value(byte);
        case Expects::key:
        case Expects::key_or_close:
            if (byte != '"') return invalid();
            in_key_ = true;
            expects_ = Expects::string;
            return true;
        case Expects::colon:
            if (byte != ':') return invalid();
            expects_ = Expects::value;
            return true;
        default:
            if (byte != ',') return invalid();
            expects_ = closers_.back() == '}' ? Expects::key : Expects::value;
            return true;
    }
}

bool JsonScanner::begin_value(char byte) {
    if (byte == '{' || byte == '[') {
        if (closers_.size() == kDeepestJson) return invalid();
        closers_ += byte == '{' ? '}' : ']';
        expects_ = byte == '{' ? Expects::key_or_close : Expects::value_or_close;
        return true;
    }
    if (byte == '"') {
        expects_ = Expects::string;
        return true;
    }
    for (const std::string_view literal : {"true", "false", "null"}) {
        if (byte != literal[0]) continue;
        literal_ = literal.substr(1);
        expects_ = Expects::literal;
        return true;
    }
    if (byte != '-' && !is_digit(byte)) return invalid();
    expects_ = Expects::number;
    number_ = byte == '-' ? Number::sign : byte == '0' ? Number::zero : Number::whole;
    return true;
}

bool JsonScanner::take_in_string(char byte) {
    if (expects_ == Expects::hex) {
        if (!is_hex(byte)) return invalid();
        if (--hex_digits_ == 0) expects_ = Expects::string;
    } else if (expects_ == Expects::escape) {
        if (std::string_view("\"\\/bfnrtu").find(byte) == std::string_view::npos) return invalid();
        hex_digits_ = 4;
        expects_ = byte == 'u' ? Expects::hex : Expects::string;
    } else if (byte == '\\') {
        expects_ = Expects::escape;
    } else if (byte == '"') {
        if (in_key_) {
            in_key_ = false;
            expects_ = Expects::colon;
        } else {
            end_value();
        }
    } else if (static_cast<unsigned char>(byte) < 0x20) {
        return invalid();
    }
    return true;
}

// A number ends with the first byte that cannot belong to it.
bool JsonScanner::take_number(char byte) {
    const bool digit = is_digit(byte), exponent = byte == 'e' || byte == 'E';
    switch (number_) {
        case Number::sign:
            if (!digit) return invalid();
            number_ = byte == '0' ? Number::zero : Number::whole;
            return true;
        case Number::point:
            if (!digit) return invalid();
            number_ = Number::fraction;
            return true;
        case Number::exponent:
            if (byte == '+' || byte == '-') {
                number_ = Number::exponent_sign;
                return true;
            }
            [[fallthrough]];
        case Number::exponent_sign:
            if (!digit) return invalid();
            number_ = Number::exponent_digits;
            return true;
        case Number::zero:
        case Number::whole:
        case Number::fraction:
        case Number::exponent_digits:
            break;
    }
    if (digit && number_ != Number::zero) return true;
    if (byte == '.' && (number_ == Number::zero || number_ == Number::whole)) {
        number_ = Number::point;
        return true;
    }
    if (exponent && number_ != Number::exponent_digits) {
        number_ = Number::exponent;
        return true;
    }
    end_value();
    return state_ == State::open && take(byte);
}

void JsonScanner::end_value() {
    if (closers_.empty()) {
        state_ = State::done;
    } else {
        expects_ = Expects::comma_or_close;
    }
}

bool JsonScanner::invalid() {
    state_ = State::invalid;
    return false;
}

size_t json_end(std::string_view text, size_t at) {
    JsonScanner scanner;
    at = scanner.read(text, at);
    return scanner.state() == JsonScanner::State::done ? at : text.npos;
}

}  // namespace hone::text
