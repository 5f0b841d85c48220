/* Loading of libcrypto.  Thread: any. */
#include "common/net/client/crypto.h"

#include "common/plugin/library.h"

struct evp_md;

struct crypto {
    const struct evp_md *(*EVP_sha256)(void);
    const struct evp_md *(*EVP_md5)(void);
    int (*EVP_Digest)(const void *data, size_t size, unsigned char *digest, unsigned *ret_size,
                      const struct evp_md *type, void *engine);
    unsigned char *(*HMAC)(const struct evp_md *type, const void *key, int key_size,
                           const unsigned char *data, size_t size, unsigned char *digest,
                           unsigned *ret_size);
};

#define ROW(name) LIBRARY_SYMBOL(struct crypto, "", name)
static const struct library_symbol symbols[] = {ROW(EVP_sha256), ROW(EVP_md5), ROW(EVP_Digest),
                                                ROW(HMAC)};
LIBRARY_HAS_ALL(symbols, struct crypto);

static struct crypto functions;
static struct library library = {
    .file = "libcrypto.so.3",
    .needed_by = "signing requests",
    .remedy = "install OpenSSL (Debian: apt-get install libssl3)",
    .symbols = symbols,
    .n_symbols = ARRAY_LEN(symbols),
    .functions = &functions,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

int crypto_load(const struct crypto **ret_crypto, struct error *err)
{
    TRY(library_load(&library, err));
    *ret_crypto = &functions;
    return 0;
}

void crypto_sha256(const struct crypto *c, struct slice data,
                   uint8_t ret_digest[CRYPTO_SHA256_BYTES])
{
    int ok = c->EVP_Digest(data.data, data.len, ret_digest, NULL, c->EVP_sha256(), NULL);
    ASSERT(ok == 1);
}

void crypto_hmac_sha256(const struct crypto *c, struct slice key, struct slice data,
                        uint8_t ret_digest[CRYPTO_SHA256_BYTES])
{
    const void *ok = c->HMAC(c->EVP_sha256(), key.data, (int)key.len,
                             (const unsigned char *)data.data, data.len, ret_digest, NULL);
    ASSERT(ok != NULL);
}

void crypto_md5(const struct crypto *c, struct slice data, uint8_t ret_digest[CRYPTO_MD5_BYTES])
{
    int ok = c->EVP_Digest(data.data, data.len, ret_digest, NULL, c->EVP_md5(), NULL);
    ASSERT(ok == 1);
}

void crypto_append_base64(struct str *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t left = (uint32_t)MIN(n - i, (size_t)3);
        uint32_t word = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0u);
        for (uint32_t k = 0; k < 4; k++) {
            str_append_char(out, k <= left ? digits[word >> (18 - 6 * k) & 63] : '=');
        }
    }
}
