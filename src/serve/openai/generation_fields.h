// The fields that completions and chat have in common; used by their parsers only.
#pragma once

#include "serve/openai/field_reader.h"
#include "serve/openai/requests.h"

namespace hone::serve {

// Reads sampling, stopping, streaming and reporting fields into `request`. Log-probabilities of generated tokens differ
// between the two and are read by their parsers.
void read_generation_fields(FieldReader& fields, const RequestRules& rules, GenerationRequest& request);

// A field that this server knows and cannot serve, with a value that asks for something.
void refuse_unsupported(FieldReader& fields);

}  // namespace hone::serve
