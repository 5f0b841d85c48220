/* Loading of OpenSSL.  Thread: any. */
#include "common/net/tls/openssl.h"

#include "common/plugin/library.h"
#include <stdio.h>

#define ROW(name) LIBRARY_SYMBOL(struct openssl, "", name),
static const struct library_symbol symbols[] = {OPENSSL_FUNCTIONS(ROW)};
#undef ROW
LIBRARY_HAS_ALL(symbols, struct openssl);

static struct openssl functions;

/* Without a handler at exit: threads of ours may still be in it then. */
static int start(const struct library *library, struct error *err)
{
    const uint64_t options =
        OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ATEXIT;
    return functions.OPENSSL_init_ssl(options, NULL) == 1
               ? 0
               : error_set(err, ERR_UNAVAILABLE, "%s could not start", library->file);
}

static struct library library = {
    .file = "libssl.so.3",
    .needed_by = "TLS (security.ssl.*)",
    .remedy = "install OpenSSL (Debian: apt-get install libssl3)",
    .no_symbol = "it is too old, OpenSSL 3 is needed",
    .symbols = symbols,
    .n_symbols = ARRAY_LEN(symbols),
    .functions = &functions,
    .start = start,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

int openssl_load(const struct openssl **ret, struct error *err)
{
    TRY(library_load(&library, err));
    *ret = &functions;
    return 0;
}

const char *openssl_reason(const struct openssl *o, char *buf, size_t size)
{
    unsigned long first = o->ERR_get_error();
    const char *text = first != 0 ? o->ERR_reason_error_string(first) : NULL;
    if (text != NULL) {
        snprintf(buf, size, "%s", text);
    } else if (first != 0) {
        o->ERR_error_string_n(first, buf, size);
    } else {
        buf[0] = '\0';
    }
    o->ERR_clear_error();
    return buf;
}
