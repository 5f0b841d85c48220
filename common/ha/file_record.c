/* Records of the file kind; see file_record.h. */
#include "common/ha/file_record.h"

#include "common/base/crc32c.h"

static const char magic[4] = {'F', 'L', 'H', 'A'};

void file_state_init(struct file_state *s)
{
    *s = (struct file_state){.epoch = 0};
    entries_init(&s->entries);
}

void file_state_fini(struct file_state *s)
{
    str_fini(&s->owner_name);
    map_fini(&s->entries);
}

bool file_state_is_vacant(const struct file_state *s)
{
    static const struct flinc_id nobody;
    return id_eq(&s->owner, &nobody);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static void put(struct str *s, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) {
        str_append_char(s, (char)(v >> (8 * i)));
    }
}

static void put_bytes(struct str *s, struct slice bytes, int length_bytes)
{
    put(s, bytes.len, length_bytes);
    str_append_slice(s, bytes);
}

static void finish(enum file_record_kind kind, const struct str *payload, struct str *ret)
{
    str_clear(ret);
    str_append(ret, magic, sizeof(magic));
    put(ret, FILE_RECORD_VERSION, 2);
    put(ret, kind, 2);
    put(ret, payload->len, 4);
    put(ret, crc32c(0, payload->data, payload->len), 4);
    str_append_slice(ret, str_slice(payload));
}

static void put_owner(struct str *s, const struct flinc_id *owner, uint64_t epoch,
                      struct slice name)
{
    str_append(s, (const char *)owner->bytes, sizeof(owner->bytes));
    put(s, epoch, 8);
    name.len = MIN(name.len, (size_t)UINT16_MAX);
    put_bytes(s, name, 2);
}

void file_record_state(const struct file_state *s, struct str *ret)
{
    STR_AUTO payload = STR_INIT;
    put_owner(&payload, &s->owner, s->epoch, str_slice(&s->owner_name));
    put(&payload, s->entries.len, 4);
    MAP_FOREACH (&s->entries, e) {
        put_bytes(&payload, slice_make(e->key, e->key_len), 2);
        put_bytes(&payload, str_slice(e->value), 4);
    }
    finish(FILE_RECORD_STATE, &payload, ret);
}

void file_record_write(enum ha_write what, const char *name, struct slice value, struct str *ret)
{
    STR_AUTO payload = STR_INIT;
    put_bytes(&payload, slice_cstr(name), 2);
    if (what != HA_WRITE_REMOVE) {
        put_bytes(&payload, value, 4);
    }
    finish(what == HA_WRITE_REMOVE ? FILE_RECORD_REMOVE : FILE_RECORD_PUT, &payload, ret);
}

void file_record_close(const struct flinc_id *owner, uint64_t epoch, const char *owner_name,
                       struct str *ret)
{
    STR_AUTO payload = STR_INIT;
    put_owner(&payload, owner, epoch, slice_cstr(owner_name));
    finish(FILE_RECORD_CLOSE, &payload, ret);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* What is left of a payload; `good` turns false at the first read beyond its end. */
struct reader {
    struct slice rest;
    bool good;
};

static struct slice take(struct reader *r, size_t n)
{
    if (!r->good || r->rest.len < n) {
        r->good = false;
        return slice_make(NULL, 0);
    }
    struct slice s = slice_make(r->rest.data, n);
    r->rest.data += n;
    r->rest.len -= n;
    return s;
}

static uint64_t take_number(struct reader *r, int n)
{
    struct slice s = take(r, (size_t)n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        v |= (uint64_t)(uint8_t)s.data[i] << (8 * i);
    }
    return v;
}

static struct slice take_bytes(struct reader *r, int length_bytes)
{
    return take(r, (size_t)take_number(r, length_bytes));
}

/* A name as the store has them: some bytes, no NUL. */
static bool take_name(struct reader *r, struct str *ret)
{
    struct slice s = take_bytes(r, 2);
    if (s.len == 0 || s.len > HA_NAME_MAX || memchr(s.data, '\0', s.len) != NULL) {
        r->good = false;
        return false;
    }
    str_clear(ret);
    str_append_slice(ret, s);
    return r->good;
}

static void take_owner(struct reader *r, struct file_state *s)
{
    struct slice token = take(r, sizeof(s->owner.bytes));
    if (token.len == sizeof(s->owner.bytes)) {
        memcpy(s->owner.bytes, token.data, token.len);
    }
    s->epoch = take_number(r, 8);
    struct slice name = take_bytes(r, 2);
    str_clear(&s->owner_name);
    str_append_slice(&s->owner_name, name);
}

static bool read_state(struct reader *r, struct file_state *fresh)
{
    STR_AUTO name = STR_INIT;
    take_owner(r, fresh);
    uint64_t n = take_number(r, 4);
    for (uint64_t i = 0; i < n && r->good; i++) {
        if (take_name(r, &name)) {
            struct slice value = take_bytes(r, 4);
            if (r->good) {
                entries_apply(&fresh->entries, HA_WRITE_CREATE, str_cstr(&name), value);
            }
        }
    }
    return r->good && r->rest.len == 0;
}

static bool apply_state(struct file_state *s, struct reader *r)
{
    struct file_state fresh;
    file_state_init(&fresh);
    if (!read_state(r, &fresh)) {
        file_state_fini(&fresh);
        return false;
    }
    file_state_fini(s);
    *s = fresh;
    return true;
}

static bool apply_write(struct file_state *s, struct reader *r, bool remove)
{
    STR_AUTO name = STR_INIT;
    struct slice value = slice_make(NULL, 0);
    if (take_name(r, &name) && !remove) {
        value = take_bytes(r, 4);
    }
    if (!r->good || r->rest.len > 0) {
        return false;
    }
    entries_apply(&s->entries, remove ? HA_WRITE_REMOVE : HA_WRITE_REPLACE, str_cstr(&name), value);
    return true;
}

static bool apply_close(struct file_state *s, struct reader *r)
{
    struct file_state next;
    file_state_init(&next);
    take_owner(r, &next);
    bool good = r->good && r->rest.len == 0;
    if (good) {
        s->owner = next.owner;
        s->epoch = next.epoch;
        str_clear(&s->owner_name);
        str_append_slice(&s->owner_name, str_slice(&next.owner_name));
        s->closed = true;
    }
    file_state_fini(&next);
    return good;
}

static bool apply(struct file_state *s, struct reader *r, uint64_t kind, bool is_first)
{
    if (is_first != (kind == FILE_RECORD_STATE) || s->closed) {
        return false;
    }
    switch (kind) {
    case FILE_RECORD_STATE:
        return apply_state(s, r);
    case FILE_RECORD_PUT:
        return apply_write(s, r, false);
    case FILE_RECORD_REMOVE:
        return apply_write(s, r, true);
    case FILE_RECORD_CLOSE:
        return apply_close(s, r);
    default:
        return false;
    }
}

int file_record_apply(struct file_state *s, struct slice bytes, bool is_first, struct error *err)
{
    struct reader r = {bytes, true};
    struct slice mark = take(&r, sizeof(magic));
    uint64_t version = take_number(&r, 2);
    uint64_t kind = take_number(&r, 2);
    uint64_t size = take_number(&r, 4);
    uint64_t crc = take_number(&r, 4);
    if (!r.good || memcmp(mark.data, magic, sizeof(magic)) != 0) {
        return error_set(err, ERR_CORRUPT, "it is no record of high availability");
    }
    if (version != FILE_RECORD_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "it has version %llu, this build reads version %d: all job managers of a "
                         "cluster must be of one version",
                         (unsigned long long)version, FILE_RECORD_VERSION);
    }
    if (r.rest.len != size || crc32c(0, r.rest.data, r.rest.len) != crc) {
        return error_set(err, ERR_CORRUPT, "it is damaged: size or checksum do not fit");
    }
    if (!apply(s, &r, kind, is_first)) {
        return error_set(err, ERR_CORRUPT, "its contents (kind %llu) make no sense here",
                         (unsigned long long)kind);
    }
    return 0;
}
