/* Keys of the store: key group (2 bytes, big endian), the state (4 bytes of its name's hash), in other namespaces than
 * NAMESPACE_VOID the namespace (8 bytes, big endian, the sign turned; the 4 bytes before it are others), and the key.
 *
 *   one column of at most 8 bytes   its word, big endian, the sign turned: in the order of the values
 *   one string                      its bytes
 *   others                          a string first: its length (4 bytes) and bytes; then the words, as they lie
 *
 * with a byte in front that is 0 for a NULL, which has nothing behind it, and else 1.  Where entries sort by a number
 * (order.h), it stands between that byte and the key, big endian, the sign turned.
 * Thread: one owner. */
#include "engine/state/paged/paged.h"

#include "engine/state/keyed_table_key.h"

static void put_word(uint64_t word, struct str *out)
{
    uint64_t swapped = __builtin_bswap64(word ^ UINT64_C(1) << 63);
    str_append(out, (const char *)&swapped, sizeof(swapped));
}

static void put_view(const char *key, bool with_length, struct str *out)
{
    struct probe_key k;
    memcpy(&k, key, sizeof(k));
    uint32_t len = probe_key_len(&k);
    const char *data = len > VIEW_INLINE_MAX ? (const char *)(uintptr_t)k.w1 : key + 4;
    if (with_length) {
        uint32_t swapped = __builtin_bswap32(len);
        str_append(out, (const char *)&swapped, sizeof(swapped));
    }
    str_append(out, data, len);
}

void paged_key_put(const struct paged_table *p, const char *key, uint64_t hash, bool is_null,
                   struct str *out)
{
    const struct keyed_table *t = p->table;
    const uint32_t group = (uint32_t)hash % p->store->options->max_parallelism;
    char prefix[2 + PAGED_SPACE_INFIX + 1] = {(char)(group >> 8), (char)group};
    const uint32_t size = 2 + p->infix.size;
    memcpy(prefix + 2, p->infix.bytes, sizeof(p->infix.bytes));
    prefix[size] = is_null ? 0 : 1;
    str_append(out, prefix, size + 1);
    if (is_null) {
        return;
    }
    if (p->of->order_column > 0) {
        put_word((uint64_t)keyed_key_number(&p->of->order_number, key), out);
    }
    if (t->key_kind == KEYED_KEY_FIXED) {
        uint64_t word;
        memcpy(&word, key, sizeof(word));
        put_word(word, out);
        return;
    }
    uint32_t from = 0;
    if (t->key_has_view) {
        put_view(key, t->key_words > 2, out);
        from = 2;
    }
    str_append(out, key + from * sizeof(uint64_t), (t->key_words - from) * sizeof(uint64_t));
}

/* ---- back ----------------------------------------------------------------------------------------- */

static int corrupt(const struct paged_state *ps, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "state '%s': bytes in its RocksDB files are no key of it",
                     ps->state->name);
}

int paged_key_get(const struct paged_state *ps, struct rocks_bytes bytes, uint32_t prefix,
                  char *ret_key, bool *ret_is_null, struct error *err)
{
    const struct keyed_table *t = ps->shape;
    const char *at = bytes.data + prefix + 1, *end = bytes.data + bytes.size;
    if (bytes.size < prefix + 1) {
        return corrupt(ps, err);
    }
    memset(ret_key, 0, t->hash_offset);
    *ret_is_null = bytes.data[prefix] == 0;
    if (*ret_is_null) {
        return at == end ? 0 : corrupt(ps, err);
    }
    if (ps->order_column > 0) {
        if (end - at < (ptrdiff_t)sizeof(uint64_t)) {
            return corrupt(ps, err);
        }
        at += sizeof(uint64_t);
    }
    if (t->key_kind == KEYED_KEY_FIXED) {
        uint64_t word;
        if (end - at != sizeof(word)) {
            return corrupt(ps, err);
        }
        memcpy(&word, at, sizeof(word));
        word = __builtin_bswap64(word) ^ UINT64_C(1) << 63;
        memcpy(ret_key, &word, sizeof(word));
        return 0;
    }
    uint32_t from = 0, len = (uint32_t)(end - at);
    if (t->key_has_view) {
        if (t->key_words > 2) {
            if (end - at < (ptrdiff_t)sizeof(len)) {
                return corrupt(ps, err);
            }
            memcpy(&len, at, sizeof(len));
            len = __builtin_bswap32(len);
            at += sizeof(len);
        }
        if (len > (uint64_t)(end - at)) {
            return corrupt(ps, err);
        }
        uint64_t view[2];
        probe_key_set_bytes(view, at, len);
        memcpy(ret_key, view, sizeof(view));
        at += len;
        from = 2;
    }
    size_t rest = (t->key_words - from) * sizeof(uint64_t);
    if ((size_t)(end - at) != rest) {
        return corrupt(ps, err);
    }
    memcpy(ret_key + from * sizeof(uint64_t), at, rest);
    return 0;
}
