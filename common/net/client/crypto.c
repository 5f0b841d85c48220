/* Loading of libcrypto.  Thread: any (a lock guards the first load). */
#include "common/net/client/crypto.h"

#include <dlfcn.h>
#include <pthread.h>

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

static const char library[] = "libcrypto.so.3";
#define CRYPTO_ROW(name)                     \
    {                                        \
#name, offsetof(struct crypto, name) \
    }
static const struct {
    const char *symbol;
    size_t at; /* in struct crypto */
} symbols[] = {CRYPTO_ROW(EVP_sha256), CRYPTO_ROW(EVP_md5), CRYPTO_ROW(EVP_Digest),
               CRYPTO_ROW(HMAC)};
_Static_assert(ARRAY_LEN(symbols) * sizeof(void *) == sizeof(struct crypto), "a row per function");

static struct crypto functions;
static bool loaded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int load(struct error *err)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return error_set(
            err, ERR_UNAVAILABLE,
            "signing requests needs %s, which could not be loaded: %s; install OpenSSL "
            "(Debian: apt-get install libssl3)",
            library, dlerror());
    }
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].symbol);
        if (symbol == NULL) {
            dlclose(handle);
            return error_set(err, ERR_UNAVAILABLE, "%s has no %s", library, symbols[i].symbol);
        }
        memcpy((char *)&functions + symbols[i].at, &symbol, sizeof(symbol));
    }
    loaded = true; /* for the life of the process */
    return 0;
}

int crypto_load(const struct crypto **ret_crypto, struct error *err)
{
    pthread_mutex_lock(&lock);
    int rc = loaded ? 0 : load(err);
    pthread_mutex_unlock(&lock);
    TRY(rc);
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

void crypto_append_hex(struct str *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        str_append_char(out, digits[bytes[i] >> 4]);
        str_append_char(out, digits[bytes[i] & 15]);
    }
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
