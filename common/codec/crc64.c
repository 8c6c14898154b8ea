/* CRC-64-AVRO, the fingerprint of a schema. */
#include "codec/canonical.h"

/* The specification's CRC-64-AVRO, bit by bit: it runs once per schema. */
static const uint64_t crc64_empty = UINT64_C(0xc15d213aa4d7a795);

uint64_t schema_fingerprint(struct span canonical)
{
        uint64_t crc = crc64_empty;
        for (size_t i = 0; i < canonical.len; i++) {
                crc ^= (uint8_t)canonical.ptr[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc64_empty & (0 - (crc & 1)));
        }
        return crc;
}
