/* An address and a UUID as Java serializes them; see java_value.h. */
#include "common/ha/java_value.h"

/* TC_OBJECT, TC_CLASSDESC, "java.util.UUID", its serialVersionUID, SC_SERIALIZABLE, two longs, no annotations, no super class. */
static const char uuid_class[] =
    "\x73\x72\x00\x0ejava.util.UUID\xbc\x99\x03\xf7\x98\x6d\x85\x2f\x02\x00\x02"
    "J\x00\x0cleastSigBits"
    "J\x00\x0bmostSigBits"
    "\x78\x70";

enum {
    UUID_CLASS_BYTES = sizeof(uuid_class) - 1,
    BLOCK_SHORT = 0x77, /* TC_BLOCKDATA */
    BLOCK_LONG = 0x7a,
};
static const char magic[4] = {(char)0xac, (char)0xed, 0, 5};

static void put_be(struct str *s, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        str_append_char(s, (char)(v >> (8 * i)));
    }
}

void java_value_write(const char *address, const struct flinc_id *token, struct str *ret)
{
    size_t len = strlen(address);
    ASSERT(len <= UINT16_MAX);
    str_clear(ret);
    str_append(ret, magic, sizeof(magic));
    str_append_char(ret, len + 2 <= 255 ? BLOCK_SHORT : BLOCK_LONG);
    put_be(ret, len + 2, len + 2 <= 255 ? 1 : 4);
    put_be(ret, len, 2);
    str_append(ret, address, len);
    str_append(ret, uuid_class, UUID_CLASS_BYTES);
    /* Big endian: the more significant half is the first of the id, and comes last here. */
    str_append(ret, (const char *)token->bytes + 8, 8);
    str_append(ret, (const char *)token->bytes, 8);
}

static bool take(struct slice *s, size_t n, struct slice *ret)
{
    if (s->len < n) {
        return false;
    }
    *ret = slice_make(s->data, n);
    s->data += n;
    s->len -= n;
    return true;
}

static bool take_be(struct slice *s, size_t n, uint64_t *ret)
{
    struct slice bytes;
    if (!take(s, n, &bytes)) {
        return false;
    }
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        *ret = *ret << 8 | (uint8_t)bytes.data[i];
    }
    return true;
}

bool java_value_read(struct slice bytes, char *ret_address, size_t size, struct flinc_id *ret_token)
{
    struct slice part, address, least, most;
    uint64_t kind, block, len;
    if (!take(&bytes, sizeof(magic), &part) || memcmp(part.data, magic, sizeof(magic)) != 0 ||
        !take_be(&bytes, 1, &kind) || (kind != BLOCK_SHORT && kind != BLOCK_LONG) ||
        !take_be(&bytes, kind == BLOCK_SHORT ? 1 : 4, &block) || !take_be(&bytes, 2, &len) ||
        block != len + 2 || len >= size || !take(&bytes, len, &address) ||
        memchr(address.data, '\0', len) != NULL || !take(&bytes, UUID_CLASS_BYTES, &part) ||
        memcmp(part.data, uuid_class, UUID_CLASS_BYTES) != 0 || !take(&bytes, 8, &least) ||
        !take(&bytes, 8, &most) || bytes.len != 0) {
        return false;
    }
    memcpy(ret_address, address.data, len);
    ret_address[len] = '\0';
    memcpy(ret_token->bytes, most.data, 8);
    memcpy(ret_token->bytes + 8, least.data, 8);
    return true;
}
