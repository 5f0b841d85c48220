/* The contents of the store in memory; see entries.h. */
#include "common/ha/entries.h"

static void free_entry(void *value)
{
    str_fini(value);
    mem_free(value);
}

void entries_init(struct map *entries)
{
    map_init(entries, free_entry);
}

int entries_check(const struct map *entries, enum ha_write what, const char *name,
                  struct error *err)
{
    bool is_there = map_has(entries, name);
    if (what == HA_WRITE_CREATE) {
        return is_there ? error_set(err, ERR_ALREADY_EXISTS, "%s is there already", name) : 0;
    }
    return is_there ? 0 : error_set(err, ERR_NOT_FOUND, "%s is not there", name);
}

void entries_apply(struct map *entries, enum ha_write what, const char *name, struct slice value)
{
    if (what == HA_WRITE_REMOVE) {
        map_remove(entries, name);
        return;
    }
    struct str *s = MEM_NEW(struct str);
    str_append_slice(s, value);
    map_put(entries, name, s);
}

int entries_get(const struct map *entries, const char *name, struct str *ret_value,
                struct error *err)
{
    const struct str *s = map_find(entries, name);
    if (s == NULL) {
        return error_set(err, ERR_NOT_FOUND, "%s is not there", name);
    }
    str_clear(ret_value);
    str_append_slice(ret_value, str_slice(s));
    return 0;
}

static bool has_name(const struct vec *names, struct slice name)
{
    for (size_t i = 0; i < names->len; i++) {
        if (slice_eq_cstr(name, vec_ptr(names, i))) {
            return true;
        }
    }
    return false;
}

void entries_list(const struct map *entries, const char *name, struct vec *ret_names)
{
    size_t len = strlen(name);
    MAP_FOREACH (entries, e) {
        if (e->key == NULL || strncmp(e->key, name, len) != 0 || e->key[len] != '/') {
            continue;
        }
        struct slice below = slice_make(e->key + len + 1, strcspn(e->key + len + 1, "/"));
        if (!has_name(ret_names, below)) {
            struct str copy = STR_INIT;
            str_append_slice(&copy, below);
            vec_push_ptr(ret_names, str_take(&copy));
        }
    }
}
