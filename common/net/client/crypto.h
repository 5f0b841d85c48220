/* Digests of libcrypto, loaded on first use and kept, as a struct of its functions: for signing requests.  Nothing
 * links it, so that processes that never ask pay nothing for it.  Thread: any. */
#ifndef FLINC_COMMON_NET_CLIENT_CRYPTO_H
#define FLINC_COMMON_NET_CLIENT_CRYPTO_H

#include "common/base/error.h"
#include "common/base/str.h"

enum { CRYPTO_SHA256_BYTES = 32, CRYPTO_MD5_BYTES = 16 };

struct crypto;

/* ERR_UNAVAILABLE: the library is not installed. */
int crypto_load(const struct crypto **ret_crypto, struct error *err) MUST_CHECK;
void crypto_sha256(const struct crypto *c, struct slice data,
                   uint8_t ret_digest[CRYPTO_SHA256_BYTES]);
void crypto_hmac_sha256(const struct crypto *c, struct slice key, struct slice data,
                        uint8_t ret_digest[CRYPTO_SHA256_BYTES]);
void crypto_md5(const struct crypto *c, struct slice data, uint8_t ret_digest[CRYPTO_MD5_BYTES]);
/* Appends. */
void crypto_append_base64(struct str *out, const uint8_t *bytes, size_t n);

#endif
