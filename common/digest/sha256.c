/* SHA-256; see sha256.h.  What OpenSSL hands out as a context is ours by another name. */
#include "common/digest/sha256.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 *sha256_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    return (struct sha256 *)context;
}

void sha256_add(struct sha256 *h, const void *data, size_t size)
{
    if (EVP_DigestUpdate((EVP_MD_CTX *)h, data, size) != 1) {
        abort(); /* only a context that was not initialised can fail */
    }
}

void sha256_end(struct sha256 *h, uint8_t ret_digest[SHA256_BYTES])
{
    if (EVP_DigestFinal_ex((EVP_MD_CTX *)h, ret_digest, NULL) != 1) {
        abort();
    }
}

struct sha256 *sha256_free(struct sha256 *h)
{
    EVP_MD_CTX_free((EVP_MD_CTX *)h);
    return NULL;
}
