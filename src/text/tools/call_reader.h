// What a dialect of marked sections has of its own: reading the calls of one section. Made for a section when its
// opening marker came, and gone with it; one thread.
#pragma once

#include <optional>
#include <string_view>

#include "text/tools/output_writer.h"

namespace hone::text {

class CallReader {
  public:
    enum class Progress {
        more,    // what is there does not say yet
        item,    // an item was read and its calls were told; another may follow
        ended,   // the section is over
        broken,  // this is no call
    };

    virtual ~CallReader() = default;

    // Goes on reading. `text`: the section from the last byte that was taken on (at first from its opening marker on),
    // as far as it is known; each time the same and more. `whole`: nothing will follow.
    virtual Progress read(std::string_view text, bool whole, OutputWriter& out) = 0;

    // How much of the text that read() saw is done with: it is not shown again.
    size_t taken() const { return taken_; }

    // After `broken`: the end of what the broken item spoils, which becomes content. Nothing while it has not come.
    virtual std::optional<size_t> broken_end(std::string_view text) = 0;

    // The output has ended and the last read() asked for more: tells the call that was cut off. False: there is none to
    // be seen yet, the text is content.
    virtual bool tell_cut(std::string_view text, OutputWriter& out) = 0;

  protected:
    size_t taken_ = 0;
};

// Looks for a marker that ends what is broken, without reading any byte twice.
class MarkerFinder {
  public:
    explicit MarkerFinder(std::string_view marker) : marker_(marker) {}

    // The place behind the first one at or after `from`.
    std::optional<size_t> end_in(std::string_view text, size_t from) {
        const size_t at = text.find(marker_, std::max(from, searched_));
        if (at != text.npos) return at + marker_.size();
        if (text.size() >= marker_.size()) searched_ = text.size() - marker_.size() + 1;
        return std::nullopt;
    }

  private:
    std::string_view marker_;
    size_t searched_ = 0;
};

}  // namespace hone::text
