// The first 64 bytes of a pack (pack.h draws them), shared by its reader and writer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <xxhash.h>

namespace hone::model {

static_assert(std::endian::native == std::endian::little, "pack files are mapped, and little endian");

struct PackHeader {
    char magic[8];
    uint32_t version, zero;
    uint64_t directory_bytes, data_begin, file_bytes;
    uint64_t zeros[2];
    uint64_t checksum;
};
static_assert(sizeof(PackHeader) == 64);

// Of the header before its checksum, then the directory.
inline uint64_t header_checksum(const PackHeader& header, std::string_view directory) {
    const uint64_t seed = XXH3_64bits(&header, offsetof(PackHeader, checksum));
    return XXH3_64bits_withSeed(directory.data(), directory.size(), seed);
}

}  // namespace hone::model
