// Text on its way through normalisation and pre-tokenisation. A Piece is a view of it; where offsets are wanted, every
// byte knows which bytes of the input it comes from, otherwise only the text is carried. The rules for origins are
// those of the `tokenizers` library, so that offsets agree. One thread; views live as long as the text they look at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/pattern.h"
#include "text/utf8.h"

namespace hone::text {

struct Span {
    uint32_t begin = 0, end = 0;  // bytes of the input
};

struct Piece {
    std::string_view text;
    const Span* origin = nullptr;  // one per byte of text, or null where nobody asked
    bool first = false;            // begins where the input begins

    Piece part(size_t begin, size_t end) const {
        return {text.substr(begin, end - begin), origin ? origin + begin : nullptr, first && begin == 0};
    }
    Span span(size_t begin, size_t end) const { return {origin[begin].begin, origin[end - 1].end}; }
};

// One character of new text, and what became of the old text there: 0 replaces one character, 1 is inserted, -n
// replaces one and removes the n behind it.
struct Change {
    char32_t code = 0;
    int32_t change = 0;
};

class AlignedText {
  public:
    explicit AlignedText(Piece piece) : piece_(piece) {}
    AlignedText(const AlignedText&) = delete;
    AlignedText& operator=(const AlignedText&) = delete;

    std::string_view text() const { return piece_.text; }
    Piece piece() const { return piece_; }

    void prepend(std::string_view prefix);  // no-op on empty text
    void replace(const Pattern& pattern, std::string_view content);
    void trim(size_t begin, size_t end) {
        piece_ = {piece_.part(begin, end).text, piece_.part(begin, end).origin, piece_.first};
    }

    // The new text, after `skipped` characters of the old have been dropped at the front.
    void transform(const std::vector<Change>& changes, size_t skipped = 0);

    // Writes the new text from left to right; takes effect with finish().
    class Rewriter {
      public:
        explicit Rewriter(AlignedText& target) : target_(target), source_(target.piece_) {
            text_.reserve(source_.text.size());
        }

        // Bytes [begin, end) of the old text as they are.
        void copy(size_t begin, size_t end) {
            text_ += source_.text.substr(begin, end - begin);
            if (source_.origin) origin_.insert(origin_.end(), source_.origin + begin, source_.origin + end);
        }
        // New bytes in the place of the old bytes [begin, end), which are not empty.
        void put(std::string_view bytes, size_t begin, size_t end) {
            text_ += bytes;
            if (source_.origin) origin_.insert(origin_.end(), bytes.size(), source_.span(begin, end));
        }
        const std::string& text() const { return text_; }
        void shorten(size_t size) {
            text_.erase(size);
            if (source_.origin) origin_.resize(size);
        }
        void finish() { target_.take(std::move(text_), std::move(origin_)); }

      private:
        AlignedText& target_;
        Piece source_;
        std::string text_;
        std::vector<Span> origin_;
    };

  private:
    void take(std::string text, std::vector<Span> origin);

    Piece piece_;  // looks at the input, or at the two below
    std::string text_;
    std::vector<Span> origin_;
};

}  // namespace hone::text
