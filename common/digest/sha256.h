/* SHA-256 by OpenSSL, in a file of its own: OpenSSL's headers have an ERR_STATE, as we have.
 * Thread: one owner. */
#ifndef FLINC_COMMON_DIGEST_SHA256_H
#define FLINC_COMMON_DIGEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

struct sha256;
struct sha256 *sha256_new(void); /* NULL: this OpenSSL does not offer it */
void sha256_add(struct sha256 *h, const void *data, size_t size);
void sha256_end(struct sha256 *h, uint8_t ret_digest[SHA256_BYTES]);
struct sha256 *sha256_free(struct sha256 *h); /* NULL is fine; returns NULL */

#endif
