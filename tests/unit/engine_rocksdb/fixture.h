/* Stores in folders of their own, keys of text behind a key group. */
#ifndef FLINC_TESTS_ENGINE_ROCKSDB_FIXTURE_H
#define FLINC_TESTS_ENGINE_ROCKSDB_FIXTURE_H

#include "common/base/str.h"
#include "common/fs/fs.h"
#include "engine/rocksdb/rocks_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expr)                             \
    do {                                            \
        struct error err = ERROR_INIT;              \
        if ((expr) < 0) {                           \
            fail_msg("%s: %s", #expr, err.message); \
        }                                           \
    } while (0)

/* Ids of files that were taken over. */
static uint64_t ids[1024] __attribute__((unused));

struct place {
    char folder[128];
    struct rocks_shared *shared;
    int n_stores;
};

static inline int place_setup(void **state)
{
    struct place *p = MEM_NEW(struct place);
    const char *tmp = getenv("TMPDIR");
    snprintf(p->folder, sizeof(p->folder), "%s/flinc-rocks-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(p->folder) == NULL) {
        return -1;
    }
    assert_ok(rocks_shared_new(&(struct rocks_shared_options){.n_threads = 2}, &p->shared, &err));
    *state = p;
    return 0;
}

/* Every store has deleted what was its own. */
static inline int place_teardown(void **state)
{
    struct place *p = *state;
    struct fs_list list = FS_LIST_INIT;
    rocks_shared_unref(p->shared);
    assert_ok(fs_list_dir(p->folder, &list, &err));
    assert_int_equal(list.n, 0);
    fs_list_fini(&list);
    assert_ok(fs_delete(p->folder, FS_DELETE_RECURSIVE, &err));
    mem_free(p);
    return 0;
}

static inline struct rocks_store *open_store(struct place *p, uint32_t first, uint32_t last)
{
    struct rocks_store *s = NULL;
    char folder[200];
    snprintf(folder, sizeof(folder), "%s/store%d", p->folder, p->n_stores++);
    assert_ok(rocks_store_new(
        &(struct rocks_store_options){
            .shared = p->shared, .directory = folder, .first_group = first, .last_group = last},
        &s, &err));
    return s;
}

/* The key's bytes lie in a ring of a few. */
static inline struct rocks_bytes key_of(uint32_t group, const char *text)
{
    static char ring[16][64];
    static int at;
    char *key = ring[at++ % 16];
    key[0] = (char)(group >> 8);
    key[1] = (char)group;
    snprintf(key + 2, sizeof(ring[0]) - 2, "%s", text);
    return (struct rocks_bytes){key, 2 + strlen(key + 2)};
}

static inline void put(struct rocks_store *s, uint32_t group, const char *key, const char *value)
{
    assert_ok(
        rocks_run_put(s, key_of(group, key), (struct rocks_bytes){value, strlen(value)}, &err));
}

/* NULL: it must not be there. */
static inline void check_value(struct rocks_store *s, uint32_t group, const char *key,
                               const char *expected)
{
    struct rocks_bytes k = key_of(group, key), v;
    assert_ok(rocks_store_read(s, &k, 1, &v, &err));
    if (expected == NULL) {
        assert_null(v.data);
        return;
    }
    assert_non_null(v.data);
    assert_int_equal(v.size, strlen(expected));
    assert_memory_equal(v.data, expected, v.size);
}

#endif
