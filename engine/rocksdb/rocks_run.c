/* Runs: sorted files that RocksDB takes in.  Thread: one owner. */
#include "engine/rocksdb/rocks_inside.h"

#include <errno.h>
#include <unistd.h>

static int check(struct rocks_store *s, char *take_text, const char *verb,
                 const struct rocks_partition *p, struct error *err)
{
    if (LIKELY(take_text == NULL)) {
        return 0;
    }
    STR_AUTO what = STR_INIT;
    str_printf(&what, "%s %s", verb, str_cstr(&p->run_path));
    return rocks_check(s->api, take_text, str_cstr(&what), err);
}

int rocks_run_begin(struct rocks_store *s, struct error *err)
{
    (void)err;
    ASSERT(!s->in_run);
    s->in_run = true;
    str_clear(&s->last_key);
    return 0;
}

void rocks_partition_drop_run(struct rocks_store *s, struct rocks_partition *p)
{
    if (p->writer != NULL) {
        s->api->sstfilewriter_destroy(p->writer);
        p->writer = NULL;
        (void)unlink(str_cstr(&p->run_path)); /* an ingested one has moved */
    }
}

void rocks_run_abandon(struct rocks_store *s)
{
    for (size_t i = 0; i < s->partitions.len; i++) {
        rocks_partition_drop_run(s, vec_ptr(&s->partitions, i));
    }
    s->in_run = false;
}

/* The partition of a key, with a writer that is open. */
static int writer_of(struct rocks_store *s, struct rocks_bytes key,
                     struct rocks_partition **ret_partition, struct error *err)
{
    struct rocks_partition *p = NULL;
    char *text = NULL;

    ASSERT(s->in_run);
    TRY(rocks_partition_of(s, rocks_group_of(key), &p, err));
    *ret_partition = p;
    if (LIKELY(p->writer != NULL)) {
        return 0;
    }
    str_clear(&p->run_path);
    rocks_store_name(s, "run", &p->run_path);
    p->writer = s->api->sstfilewriter_create(s->shared->file_options, s->shared->options);
    s->api->sstfilewriter_open(p->writer, str_cstr(&p->run_path), &text);
    return check(s, text, "opening", p, err);
}

static void note_order(struct rocks_store *s, struct rocks_bytes key)
{
    size_t n = MIN(s->last_key.len, key.size);
    int order = n > 0 ? memcmp(s->last_key.data, key.data, n) : 0;

    ASSERT(order < 0 || (order == 0 && s->last_key.len < key.size));
    str_clear(&s->last_key);
    str_append(&s->last_key, key.data, key.size);
}

int rocks_run_put(struct rocks_store *s, struct rocks_bytes key, struct rocks_bytes value,
                  struct error *err)
{
    struct rocks_partition *p = NULL;
    char *text = NULL;

    note_order(s, key);
    TRY(writer_of(s, key, &p, err));
    s->api->sstfilewriter_put(p->writer, key.data, key.size, value.data, value.size, &text);
    return check(s, text, "writing", p, err);
}

int rocks_run_remove(struct rocks_store *s, struct rocks_bytes key, struct error *err)
{
    struct rocks_partition *p = NULL;
    char *text = NULL;

    note_order(s, key);
    TRY(writer_of(s, key, &p, err));
    s->api->sstfilewriter_delete(p->writer, key.data, key.size, &text);
    return check(s, text, "writing", p, err);
}

int rocks_run_remove_range(struct rocks_store *s, struct rocks_bytes from, struct rocks_bytes until,
                           struct error *err)
{
    struct rocks_partition *p = NULL;
    char *text = NULL;

    ASSERT(rocks_group_of(from) == rocks_group_of(until));
    if (from.size == until.size && memcmp(from.data, until.data, from.size) == 0) {
        return 0;
    }
    TRY(writer_of(s, from, &p, err));
    s->api->sstfilewriter_delete_range(p->writer, from.data, from.size, until.data, until.size,
                                       &text);
    return check(s, text, "writing", p, err);
}

int rocks_run_remove_infixes(struct rocks_store *s, struct rocks_bytes from,
                             struct rocks_bytes until, struct error *err)
{
    STR_AUTO first = STR_INIT;
    STR_AUTO last = STR_INIT;
    int rc = 0;
    for (uint32_t group = s->first_group; group <= s->last_group && rc == 0; group++) {
        const char bytes[] = {(char)(group >> 8), (char)group};
        str_clear(&first);
        str_clear(&last);
        str_append(&first, bytes, sizeof(bytes));
        str_append(&last, bytes, sizeof(bytes));
        str_append(&first, from.data, from.size);
        str_append(&last, until.data, until.size);
        rc = rocks_run_remove_range(s, (struct rocks_bytes){first.data, first.len},
                                    (struct rocks_bytes){last.data, last.len}, err);
    }
    return rc;
}

/* Closes the files first: when one cannot be written, none is taken in. */
static int finish_files(struct rocks_store *s, struct error *err)
{
    for (size_t i = 0; i < s->partitions.len; i++) {
        struct rocks_partition *p = vec_ptr(&s->partitions, i);
        char *text = NULL;
        if (p->writer != NULL) {
            s->api->sstfilewriter_finish(p->writer, &text);
            TRY(check(s, text, "writing", p, err));
        }
    }
    return 0;
}

/* A link of the file is made before it moves, and noted behind it, when its bytes do not change any more. */
static int ingest(struct rocks_store *s, struct rocks_partition *p, struct error *err)
{
    STR_AUTO link_path = STR_INIT;
    char *text = NULL;

    rocks_store_name(s, "kept", &link_path);
    if (link(str_cstr(&p->run_path), str_cstr(&link_path)) < 0) {
        return error_set_errno(err, errno, "linking %s", str_cstr(&p->run_path));
    }
    const char *paths[] = {str_cstr(&p->run_path)};
    s->api->ingest_external_file(p->db, paths, ARRAY_LEN(paths), s->shared->ingest, &text);
    int rc = check(s, text, "taking in", p, err);
    if (rc < 0) {
        (void)unlink(str_cstr(&link_path));
        return rc;
    }
    atomic_fetch_add(&p->n_taken_in, 1);
    TRY(rocks_keep(s, str_cstr(&link_path), NULL, &p->runs, err));
    p->runs_bytes += VEC_AT(&p->runs, struct rocks_kept, p->runs.len - 1)->size;
    rocks_partition_note_held(s, p);
    return 0;
}

int rocks_run_finish(struct rocks_store *s, struct error *err)
{
    ASSERT(s->in_run);
    int rc = finish_files(s, err);
    for (size_t i = 0; i < s->partitions.len && rc == 0; i++) {
        struct rocks_partition *p = vec_ptr(&s->partitions, i);
        rc = p->writer != NULL ? ingest(s, p, err) : 0;
    }
    rocks_run_abandon(s);
    rocks_shared_trim(s->shared);
    return rc;
}
