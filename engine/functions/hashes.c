/* Digests of strings and bytes; Java's hash codes. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"
#include "engine/values/digest.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- digests ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum digest_kind kind;
    int32_t bits; /* of SHA2; 0: none */
} digests[] = {
    {"MD5", DIGEST_MD5, 0},         {"SHA1", DIGEST_SHA1, 0},       {"SHA224", DIGEST_SHA224, 224},
    {"SHA256", DIGEST_SHA256, 256}, {"SHA384", DIGEST_SHA384, 384}, {"SHA512", DIGEST_SHA512, 512},
};

static void put_digest(struct expr_frame *f, uint32_t row, enum digest_kind kind)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[DIGEST_BYTES_MAX];
    const uint32_t n = digest_bytes(kind);
    digest_of(kind, expr_bytes(f, 0, row), digest);
    char *to = expr_begin_bytes(f, row, (size_t)n * 2);
    for (uint32_t i = 0; i < n; i++) {
        to[2 * i] = hex[digest[i] >> 4];
        to[2 * i + 1] = hex[digest[i] & 15];
    }
    expr_end_bytes(f, row, (size_t)n * 2);
}

static int run_digest(struct expr_frame *f, struct error *err)
{
    const enum digest_kind *kind = f->state;
    for (EXPR_ROWS(f, row)) {
        put_digest(f, row, *kind);
    }
    return 0;
}

static int bind_digest(struct expr_binding *b, struct error *err)
{
    enum digest_kind *kind = arena_zalloc(b->arena, sizeof(*kind));
    for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
        if (strcmp(digests[i].name, b->call->function->name) == 0) {
            *kind = digests[i].kind;
        }
    }
    b->state = kind;
    return 0;
}

static int run_sha2(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t bits = expr_int(f, 1, row);
        size_t i = 2;
        while (i < ARRAY_LEN(digests) && digests[i].bits != bits) {
            i++;
        }
        if (i == ARRAY_LEN(digests)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Unsupported algorithm: SHA2 has 224, 256, 384 and 512 bits, not "
                             "%" PRId64,
                             bits);
        }
        put_digest(f, row, digests[i].kind);
    }
    return 0;
}

/* ---- HASH_CODE -------------------------------------------------------------------------------------- */

/* String.hashCode(): over units of UTF-16. */
static int32_t hash_text(struct slice s)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < s.len;) {
        const unsigned char c = (unsigned char)s.data[i];
        const size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        uint32_t code = n == 1 ? c : c & (0xffu >> (n + 1));
        for (size_t k = 1; k < n && i + k < s.len; k++) {
            code = code << 6 | ((unsigned char)s.data[i + k] & 0x3f);
        }
        if (code >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + code;
        i += n;
    }
    return (int32_t)hash;
}

static int32_t hash_long(int64_t v)
{
    return (int32_t)((uint64_t)v ^ (uint64_t)v >> 32);
}

static int32_t hash_at(const struct expr_frame *f, uint32_t row)
{
    const struct data_type *t = f->args[0]->column.type;
    switch (t->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        return hash_text(expr_bytes(f, 0, row));
    case TYPE_BOOLEAN:
        return expr_bool(f, 0, row) ? 1231 : 1237;
    case TYPE_FLOAT: {
        const float v = (float)expr_real(f, 0, row);
        int32_t bits;
        memcpy(&bits, &v, sizeof(bits));
        return bits;
    }
    case TYPE_DOUBLE: {
        const double v = expr_real(f, 0, row);
        int64_t bits;
        memcpy(&bits, &v, sizeof(bits));
        return hash_long(bits);
    }
    case TYPE_BIGINT:
        return hash_long(expr_int(f, 0, row));
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ: {
        const struct ts_nano v = expr_timestamp(f, 0, row);
        return (int32_t)(31u * (uint32_t)hash_long(v.millis) + (uint32_t)v.nanos);
    }
    case TYPE_DECIMAL:
        return hash_long((int64_t)expr_wide(f, 0, row));
    default:
        return (int32_t)expr_int(f, 0, row);
    }
}

static int run_hash_code(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int32_t hash = hash_at(f, row);
        expr_put_int(f, row, hash < 0 && hash != INT32_MIN ? -hash : hash);
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define DIGEST_ROW(function, length, sample)                                                \
    {                                                                                       \
        .name = (function), .signatures = "BYTES-LIKE", .result = "CHAR(" length ")",       \
        .bind = bind_digest, .kernel = run_digest, .category = "hash",                      \
        .text = "The " function " digest of a string or bytes, in lower-case hexadecimal.", \
        .example = (sample)                                                                 \
    }

static const struct expr_function rows[] = {
    DIGEST_ROW("MD5", "32", "MD5('abc') -- 900150983cd24fb0d6963f7d28e17f72"),
    DIGEST_ROW("SHA1", "40", "SHA1('abc') -- a9993e364706816aba3e25717850c26c9cd0d89d"),
    DIGEST_ROW("SHA224", "56",
               "SHA224('abc') -- 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
    DIGEST_ROW("SHA256", "64",
               "SHA256('abc') -- "
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    DIGEST_ROW("SHA384", "96",
               "SHA384('abc') -- cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
               "8086072ba1e7cc2358baeca134c825a7"),
    DIGEST_ROW("SHA512", "128",
               "SHA512('abc') -- ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
               "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
    {.name = "SHA2",
     .signatures = "BYTES-LIKE, INT",
     .result = "VARCHAR(128)",
     .flags = EXPR_FN_CAN_FAIL,
     .kernel = run_sha2,
     .category = "hash",
     .text = "The SHA-2 digest of 224, 256, 384 or 512 bits, in lower-case hexadecimal.",
     .example = "SHA2('abc', 224) -- 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    {.name = "HASH_CODE",
     .signatures = "STRING | BOOLEAN | NUMERIC | DATETIME",
     .result = "INT",
     .kernel = run_hash_code,
     .category = "hash",
     .text = "The absolute value of Java's hash code of the value.",
     .example = "HASH_CODE('abc') -- 96354"},
};

const struct expr_functions functions_hashes = FUNCTIONS_TABLE(rows);
