/* MD5, SHA-1 and the SHA-2 family over bytes in memory: for functions of SQL, not for passwords or signatures.
 * Without OpenSSL, which libflinc.so does without.  Flink: MessageDigest.  Thread: any. */
#ifndef FLINC_ENGINE_VALUES_DIGEST_H
#define FLINC_ENGINE_VALUES_DIGEST_H

#include "common/base/str.h"

#include <stdint.h>

enum digest_kind {
    DIGEST_MD5,
    DIGEST_SHA1,
    DIGEST_SHA224,
    DIGEST_SHA256,
    DIGEST_SHA384,
    DIGEST_SHA512,
    DIGEST_KIND_COUNT
};
enum { DIGEST_BYTES_MAX = 64 };

uint32_t digest_bytes(enum digest_kind kind); /* 16 to 64 */
void digest_of(enum digest_kind kind, struct slice data, uint8_t ret_digest[DIGEST_BYTES_MAX]);

#endif
