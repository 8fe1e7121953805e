// The fields of one protobuf message, one after the other (the wire format of
// protobuf.dev/programming-guides/encoding). Every length is checked; a malformed message ends the reading and says so.
// The bytes outlive the reader.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hone::text {

class ProtobufReader {
  public:
    explicit ProtobufReader(std::string_view message) : rest_(message) {}

    // Steps to the next field; false at the end, or where the message is malformed.
    bool next() {
        bytes_ = {};
        number_ = 0;
        if (rest_.empty() || malformed_) return false;
        const uint64_t tag = varint();
        field_ = static_cast<uint32_t>(tag >> 3);
        switch (tag & 7) {
            case 0:
                number_ = varint();
                break;
            case 1:
                number_ = fixed(8);
                break;
            case 2:
                bytes_ = take(varint());
                break;
            case 5:
                number_ = fixed(4);
                break;
            default:
                malformed_ = true;
        }
        return !malformed_;
    }

    uint32_t field() const { return field_; }
    std::string_view bytes() const { return bytes_; }  // strings and messages
    uint64_t number() const { return number_; }        // integers and enums
    bool flag() const { return number_ != 0; }
    float real() const { return std::bit_cast<float>(static_cast<uint32_t>(number_)); }
    bool malformed() const { return malformed_; }

  private:
    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(rest_[0]);
            rest_.remove_prefix(1);
            value |= uint64_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) return value;
        }
        malformed_ = true;
        return 0;
    }

    std::string_view take(uint64_t size) {
        if (malformed_ || size > rest_.size()) {
            malformed_ = true;
            return {};
        }
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    uint64_t fixed(size_t size) {
        uint64_t value = 0;
        const std::string_view raw = take(size);
        if (!raw.empty()) std::memcpy(&value, raw.data(), raw.size());
        return value;
    }

    std::string_view rest_, bytes_;
    uint64_t number_ = 0;
    uint32_t field_ = 0;
    bool malformed_ = false;
};

}  // namespace hone::text
