// The sections of tokenizer.json around the model. Each reader keeps what is wrong with its section in the view and
// returns something harmless then. Stateless, any thread.
#pragma once

#include "text/json_view.h"
#include "text/tokenizer/decoder_steps.h"
#include "text/tokenizer/tokenizer_parts.h"

namespace hone::text {

NormalizerPtr read_normalizer(const JsonView& view);  // null where there is none

// `byte_level`: set if pieces go to the model as bytes.
PreTokenizerPtr read_pretokenizer(const JsonView& view, bool& byte_level);

DecodeSteps read_decoder(const JsonView& view);
PostProcessor read_post_processor(const JsonView& view, const Vocabulary& vocabulary);

}  // namespace hone::text
