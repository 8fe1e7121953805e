// Tells loaded weights apart, for what is kept on disk between starts and belongs to one model only.
#pragma once

#include <string>

#include "model/checkpoint/load.h"

namespace hone::model {

// Hexadecimal; equal for equal configs and weights in equal formats, however often they are loaded. A pack's are known
// from its directory; of a folder all weights are read (about 10 GB/s).
std::string weights_fingerprint(const LoadedModel& loaded);

// Hexadecimal, of the files that turn text into tokens: a tokenizer's and chat templates. Errors name the file.
Result<std::string> text_fingerprint(const FileSet& files);

}  // namespace hone::model
