#include "base/check.h"
#include "text/tokenizer/character_classes.h"
#include "text/tokenizer/pretokenizer.h"

namespace hone::text {

namespace {

class PreTokenizerSequence : public PreTokenizer {
  public:
    explicit PreTokenizerSequence(std::vector<PreTokenizerPtr> steps) : steps_(std::move(steps)) {}
    void cut(Piece piece, const PieceSink& sink) const override { run(0, piece, sink); }

  private:
    void run(size_t step, Piece piece, const PieceSink& sink) const {
        if (step == steps_.size()) return sink(piece);
        if (step + 1 == steps_.size()) return steps_[step]->cut(piece, sink);
        steps_[step]->cut(piece, [&](Piece part) { run(step + 1, part, sink); });
    }

    std::vector<PreTokenizerPtr> steps_;
};

// The matches and the gaps between them, from left to right, as (match, is it one).
void for_each_part(const Pattern& pattern, std::string_view text, const std::function<void(Match, bool)>& visit) {
    size_t end = 0;
    pattern.for_each_match(text, [&](Match match) {
        if (match.begin > end) visit({end, match.begin}, false);
        visit(match, true);
        end = match.end;
    });
    if (end < text.size()) visit({end, text.size()}, false);
}

class Split : public PreTokenizer {
  public:
    Split(std::shared_ptr<const Pattern> pattern, SplitBehavior behavior, bool invert)
        : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

    void cut(Piece piece, const PieceSink& sink) const override {
        const auto emit = [&](Match part) {
            if (part.end > part.begin) sink(piece.part(part.begin, part.end));
        };
        if (behavior_ == SplitBehavior::kIsolated) {
            isolate(piece, emit);
        } else if (behavior_ == SplitBehavior::kRemoved) {
            for_each_part(*pattern_, piece.text, [&](Match part, bool is_match) {
                if (is_match == invert_) emit(part);
            });
        } else {
            for (const Match part : merged(piece.text)) emit(part);
        }
    }

  private:
    template <class Emit>
    void isolate(Piece piece, const Emit& emit) const {
        size_t end = 0;
        pattern_->for_each_match(piece.text, [&](Match match) {
            emit({end, match.begin});
            emit(match);
            end = match.end;
        });
        emit({end, piece.text.size()});
    }

    // The behaviours that join a match with a neighbour: of several matches in a row only one joins.
    std::vector<Match> merged(std::string_view text) const {
        struct Part {
            Match range;
            bool is_match;
        };
        std::vector<Part> parts;
        for_each_part(*pattern_, text, [&](Match part, bool is_match) {
            parts.push_back({part, is_match != invert_});
        });
        std::vector<Match> out;
        bool previous = false;
        if (behavior_ == SplitBehavior::kMergedWithNext) {
            for (size_t i = parts.size(); i-- > 0;) {
                const auto [range, is_match] = parts[i];
                if (is_match && !previous && !out.empty())
                    out.back().begin = range.begin;
                else
                    out.push_back(range);
                previous = is_match;
            }
            return {out.rbegin(), out.rend()};
        }
        for (const auto& [range, is_match] : parts) {
            const bool joins = behavior_ == SplitBehavior::kContiguous ? is_match == previous : is_match && !previous;
            if (joins && !out.empty())
                out.back().end = range.end;
            else
                out.push_back(range);
            previous = is_match;
        }
        return out;
    }

    std::shared_ptr<const Pattern> pattern_;
    SplitBehavior behavior_;
    bool invert_;
};

class ByteLevel : public PreTokenizer {
  public:
    ByteLevel(bool add_prefix_space, bool use_regex) : add_prefix_space_(add_prefix_space) {
        if (use_regex) words_ = make_split(make_scanner(patterns::kGpt2Long), SplitBehavior::kIsolated, false);
    }

    void cut(Piece piece, const PieceSink& sink) const override {
        if (!add_prefix_space_ || piece.text.starts_with(' ')) return words(piece, sink);
        AlignedText prefixed(piece);
        prefixed.prepend(" ");
        words(prefixed.piece(), sink);
    }

  private:
    void words(Piece piece, const PieceSink& sink) const {
        if (words_) {
            words_->cut(piece, sink);
        } else if (!piece.text.empty()) {
            sink(piece);
        }
    }

    bool add_prefix_space_;
    PreTokenizerPtr words_;
};

class Metaspace : public PreTokenizer {
  public:
    Metaspace(std::string replacement, PrependScheme scheme, bool split)
        : space_(make_literal(" ")), replacement_(std::move(replacement)), scheme_(scheme) {
        if (split) words_ = make_split(make_literal(replacement_), SplitBehavior::kMergedWithNext, false);
    }

    void cut(Piece piece, const PieceSink& sink) const override {
        AlignedText text(piece);
        text.replace(*space_, replacement_);
        const bool wanted = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && piece.first);
        if (wanted && !text.text().starts_with(replacement_)) text.prepend(replacement_);
        if (words_) {
            words_->cut(text.piece(), sink);
        } else if (!text.text().empty()) {
            sink(text.piece());
        }
    }

  private:
    std::unique_ptr<Pattern> space_;
    std::string replacement_;
    PrependScheme scheme_;
    PreTokenizerPtr words_;
};

// Every single character of a class is a match.
class ClassPattern : public Pattern {
  public:
    explicit ClassPattern(bool (*matches)(char32_t)) : matches_(matches) {}

    void for_each_match(std::string_view text, const std::function<void(Match)>& visit) const override {
        for (size_t i = 0; i < text.size();) {
            const Character c = character_at(text, i);
            if (matches_(c.code)) visit({i, i + c.length});
            i += c.length;
        }
    }

  private:
    bool (*matches_)(char32_t);
};

}  // namespace

PreTokenizerPtr make_sequence(std::vector<PreTokenizerPtr> steps) {
    return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

PreTokenizerPtr make_split(std::shared_ptr<const Pattern> pattern, SplitBehavior behavior, bool invert) {
    CHECK(pattern != nullptr);
    return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

PreTokenizerPtr make_byte_level(bool add_prefix_space, bool use_regex) {
    return std::make_unique<ByteLevel>(add_prefix_space, use_regex);
}

PreTokenizerPtr make_metaspace(std::string replacement, PrependScheme scheme, bool split) {
    return std::make_unique<Metaspace>(std::move(replacement), scheme, split);
}

PreTokenizerPtr make_class_split(bool (*matches)(char32_t), SplitBehavior behavior) {
    return std::make_unique<Split>(std::make_shared<ClassPattern>(matches), behavior, false);
}

}  // namespace hone::text
