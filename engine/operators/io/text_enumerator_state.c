/* The state of an enumerator of text files as bytes, and back; see text_enumerator_state.h. */
#include "engine/operators/io/text_enumerator_state.h"

void text_enumerator_state_init(struct text_enumerator_state *s)
{
    *s = (struct text_enumerator_state){.pending = VEC_INIT(void *)};
    map_init(&s->seen, NULL);
}

void text_enumerator_state_fini(struct text_enumerator_state *s)
{
    for (size_t i = 0; i < s->pending.len; i++) {
        flinc__file_split__free_unpacked(vec_ptr(&s->pending, i), NULL);
    }
    vec_fini(&s->pending);
    map_fini(&s->seen);
}

/* ---- encoding --------------------------------------------------------------------------------------- */

static uint32_t shared_bytes(struct slice a, struct slice b)
{
    size_t n = 0;
    size_t most = MIN(a.len, b.len);

    while (n < most && a.data[n] == b.data[n]) {
        n++;
    }
    return (uint32_t)n;
}

/* An array of pointers to an array of messages, for the message that names them; both in one block. */
static Flinc__SeenFile **seen_files(const struct map *seen, size_t *ret_n)
{
    size_t n = seen != NULL ? seen->len : 0;
    Flinc__SeenFile **pointers = mem_alloc(n * (sizeof(void *) + sizeof(Flinc__SeenFile)) + 1);
    Flinc__SeenFile *files = (Flinc__SeenFile *)(void *)(pointers + n);
    struct slice before = {"", 0};

    *ret_n = 0;
    if (n == 0) {
        return pointers;
    }
    MAP_FOREACH (seen, e) {
        Flinc__SeenFile *f = &files[*ret_n];
        struct slice path = slice_make(e->key, e->key_len);
        flinc__seen_file__init(f);
        f->shared = shared_bytes(before, path);
        f->rest.len = path.len - f->shared;
        f->rest.data = (uint8_t *)(uintptr_t)path.data + f->shared;
        pointers[(*ret_n)++] = f;
        before = path;
    }
    return pointers;
}

void text_enumerator_state_encode(uint64_t next_id, bool scanned, Flinc__FileSplit *const *pending,
                                  size_t n, const struct map *seen, struct str *ret_bytes)
{
    Flinc__TextEnumeratorState m = FLINC__TEXT_ENUMERATOR_STATE__INIT;

    m.version = TEXT_ENUMERATOR_STATE_VERSION;
    m.next_id = next_id;
    m.scanned = scanned;
    m.pending = (Flinc__FileSplit **)(uintptr_t)pending; /* only read */
    m.n_pending = n;
    m.seen = seen_files(seen, &m.n_seen);
    size_t size = flinc__text_enumerator_state__get_packed_size(&m);
    str_reserve(ret_bytes, size + 1);
    flinc__text_enumerator_state__pack(&m, (uint8_t *)ret_bytes->data + ret_bytes->len);
    ret_bytes->len += size;
    ret_bytes->data[ret_bytes->len] = '\0';
    mem_free(m.seen);
}

/* ---- decoding --------------------------------------------------------------------------------------- */

int file_split_check(const Flinc__FileSplit *split, struct error *err)
{
    bool good = split->path[0] != '\0' && strlen(split->path) <= TEXT_PATH_BYTES_MAX &&
                split->length <= INT64_MAX && split->offset <= INT64_MAX &&
                split->position <= INT64_MAX && split->offset + split->length <= INT64_MAX;

    return good
               ? 0
               : error_set(err, ERR_CORRUPT, "a split of a text file in the checkpoint is damaged");
}

static int damaged(struct error *err)
{
    return error_set(err, ERR_CORRUPT,
                     "the state of the enumerator of text files is damaged; restore from another "
                     "checkpoint");
}

static int decode_seen(const Flinc__TextEnumeratorState *m, struct map *ret, struct error *err)
{
    STR_AUTO path = STR_INIT;

    for (size_t i = 0; i < m->n_seen; i++) {
        const Flinc__SeenFile *f = m->seen[i];
        if (f->shared > path.len || f->shared + f->rest.len > TEXT_PATH_BYTES_MAX) {
            return damaged(err);
        }
        path.len = f->shared;
        str_append(&path, (const char *)f->rest.data, f->rest.len);
        if (path.len == 0 || memchr(path.data, '\0', path.len) != NULL) {
            return damaged(err);
        }
        (void)map_put(ret, str_cstr(&path), ret);
    }
    return 0;
}

static int decode_message(Flinc__TextEnumeratorState *m, struct text_enumerator_state *ret,
                          struct error *err)
{
    if (m->version == 0) {
        return damaged(err);
    }
    if (m->version > TEXT_ENUMERATOR_STATE_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "the state of the enumerator of text files has version %u; this program "
                         "reads %d: it was written by a newer one",
                         m->version, TEXT_ENUMERATOR_STATE_VERSION);
    }
    for (size_t i = 0; i < m->n_pending; i++) {
        TRY(file_split_check(m->pending[i], err));
    }
    TRY(decode_seen(m, &ret->seen, err));
    for (size_t i = 0; i < m->n_pending; i++) {
        vec_push_ptr(&ret->pending, STEAL(m->pending[i]));
    }
    m->n_pending = 0; /* taken */
    ret->next_id = m->next_id;
    ret->scanned = m->scanned;
    return 0;
}

int text_enumerator_state_decode(const uint8_t *data, size_t size,
                                 struct text_enumerator_state *ret, struct error *err)
{
    Flinc__TextEnumeratorState *m = NULL;

    if (size <= TEXT_ENUMERATOR_STATE_BYTES_MAX) {
        m = flinc__text_enumerator_state__unpack(NULL, size, data);
    }
    if (m == NULL) {
        return damaged(err);
    }
    int rc = decode_message(m, ret, err);
    flinc__text_enumerator_state__free_unpacked(m, NULL);
    if (rc < 0) {
        text_enumerator_state_fini(ret);
        text_enumerator_state_init(ret);
    }
    return rc;
}
