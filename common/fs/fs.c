/* The drivers by scheme, and the functions of fs.h that find one and call it.
 *
 * Thread: any, but registering, which happens before threads start.  Drivers are const and live for
 * ever.  Flink: FileSystem.get(). */
#include "common/fs/driver.h"

#include <stdlib.h>

static const struct fs_driver *drivers[FS_DRIVERS_MAX] = {&fs_driver_local};
static size_t n_drivers = 1;

static const char *const kind_names[] = {
    [FS_KIND_FILE] = "file",
    [FS_KIND_DIRECTORY] = "directory",
    [FS_KIND_SYMLINK] = "symlink",
    [FS_KIND_OTHER] = "other",
};

const char *fs_kind_name(enum fs_kind kind)
{
    return (unsigned)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}

/* ---- drivers ---------------------------------------------------------------------------------- */

const struct fs_driver *fs_driver_find(const char *scheme)
{
    for (size_t i = 0; i < n_drivers; i++) {
        if (strcmp(drivers[i]->scheme, scheme) == 0) {
            return drivers[i];
        }
    }
    return NULL;
}

int fs_driver_register(const struct fs_driver *driver, struct error *err)
{
    if (fs_driver_find(driver->scheme) != NULL) {
        return error_set(err, ERR_ALREADY_EXISTS, "there is a file system for scheme '%s' already",
                         driver->scheme);
    }
    if (n_drivers == FS_DRIVERS_MAX) {
        return error_set(err, ERR_LIMIT, "more than %d file systems", FS_DRIVERS_MAX);
    }
    drivers[n_drivers++] = driver;
    return 0;
}

static char *driver_hint; /* Owns */

void fs_driver_set_hint(const char *hint)
{
    mem_free(driver_hint);
    driver_hint = mem_strdup(hint);
}

const char *fs_driver_hint(void)
{
    return driver_hint != NULL ? driver_hint : "";
}

void fs_driver_schemes(struct str *ret_list)
{
    for (size_t i = 0; i < n_drivers; i++) {
        str_printf(ret_list, "%s%s", i > 0 ? ", " : "", drivers[i]->scheme);
    }
}

/* ---- reading ---------------------------------------------------------------------------------- */

int fs_open(const char *uri, enum fs_access access, struct fs_input **ret_input, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return at.driver->open(&at, access, ret_input, err);
}

int fs_input_read_at(struct fs_input *in, uint64_t offset, void *buf, size_t size, size_t *ret_n,
                     struct error *err)
{
    return in->ops->read_at(in, offset, buf, size, ret_n, err);
}

int fs_input_read_cached(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                         size_t *ret_n)
{
    return in->ops->read_cached != NULL ? in->ops->read_cached(in, offset, buf, size, ret_n) : 0;
}

void fs_input_advise(struct fs_input *in, uint64_t offset, uint64_t size)
{
    if (in->ops->advise != NULL) {
        in->ops->advise(in, offset, size);
    }
}

void fs_input_drop_behind(struct fs_input *in, uint64_t offset, uint64_t size)
{
    if (in->ops->drop_behind != NULL) {
        in->ops->drop_behind(in, offset, size);
    }
}

int fs_input_map(struct fs_input *in, const uint8_t **ret_data, uint64_t *ret_size,
                 struct error *err)
{
    if (in->ops->map == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "%s cannot be mapped into memory", in->path);
    }
    return in->ops->map(in, ret_data, ret_size, err);
}

uint64_t fs_input_size(const struct fs_input *in)
{
    return in->size_bytes;
}

const char *fs_input_path(const struct fs_input *in)
{
    return in->path;
}

struct fs_input *fs_input_close(struct fs_input *in)
{
    if (in != NULL) {
        in->ops->close(in);
    }
    return NULL;
}

/* ---- writing ---------------------------------------------------------------------------------- */

int fs_create(const char *uri, enum fs_write_mode mode, struct fs_output **ret_output,
              struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return at.driver->create(&at, mode, ret_output, err);
}

int fs_output_write(struct fs_output *out, const void *data, size_t size, struct error *err)
{
    TRY(out->ops->write(out, data, size, err));
    out->position_bytes += size;
    return 0;
}

int fs_output_flush(struct fs_output *out, struct error *err)
{
    return out->ops->flush(out, err);
}

int fs_output_sync(struct fs_output *out, struct error *err)
{
    return out->ops->sync(out, err);
}

uint64_t fs_output_position(const struct fs_output *out)
{
    return out->position_bytes;
}

const char *fs_output_path(const struct fs_output *out)
{
    return out->path;
}

int fs_output_close(struct fs_output **out, struct error *err)
{
    struct fs_output *o = STEAL(*out);
    return o != NULL ? o->ops->close(o, err) : 0;
}

struct fs_output *fs_output_abandon(struct fs_output *out)
{
    if (out != NULL) {
        out->ops->abandon(out);
    }
    return NULL;
}

/* ---- names ------------------------------------------------------------------------------------ */

int fs_stat(const char *uri, struct fs_status *ret_status, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return at.driver->stat(&at, ret_status, err);
}

int fs_exists(const char *uri, struct error *err)
{
    struct fs_status status;
    struct error why = ERROR_INIT;
    int rc = fs_stat(uri, &status, &why);
    if (rc == 0) {
        return 1;
    }
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    if (err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

int fs_list_dir(const char *uri, struct fs_list *ret_list, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    struct fs_list list = FS_LIST_INIT;
    int rc = at.driver->list(&at, &list, err);
    if (rc < 0) {
        fs_list_fini(&list);
        return rc;
    }
    fs_list_sort(&list);
    *ret_list = list;
    return 0;
}

int fs_mkdirs(const char *uri, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return at.driver->mkdirs(&at, err);
}

int fs_rename(const char *from_uri, const char *to_uri, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location from = {.authority = NULL};
    CLEANUP(fs_location_fini) struct fs_location to = {.authority = NULL};
    TRY(fs_location_parse(from_uri, &from, err));
    TRY(fs_location_parse(to_uri, &to, err));
    if (from.driver != to.driver || strcmp(from.authority, to.authority) != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "renaming %s to %s: these are different file systems", from_uri, to_uri);
    }
    return from.driver->rename(&from, &to, err);
}

int fs_has_folders(const char *uri, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return !at.driver->has_no_folders;
}

int fs_hides_unfinished(const char *uri, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return at.driver->hides_unfinished;
}

int fs_sync_folder(const char *uri, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    return at.driver->sync_folder != NULL ? at.driver->sync_folder(&at, err) : 0;
}

int fs_delete(const char *uri, enum fs_delete_mode mode, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    if (strcmp(at.path, "/") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s: the root of a file system is not deleted",
                         uri);
    }
    return at.driver->remove(&at, mode, err);
}

/* ---- lists ------------------------------------------------------------------------------------ */

void fs_list_fini(struct fs_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free(list->entries[i].name);
        mem_free(list->entries[i].path);
    }
    mem_free(list->entries);
    *list = (struct fs_list)FS_LIST_INIT;
}

int fs_list_add(struct fs_list *list, const char *name, const char *path,
                const struct fs_status *status, struct error *err)
{
    if (list->n >= FS_LIST_LIMIT) {
        return error_set(err, ERR_LIMIT, "%s: more than %d files and folders", path, FS_LIST_LIMIT);
    }
    if (list->n == list->cap) {
        list->cap = list->cap == 0 ? 16 : list->cap * 2;
        list->entries = mem_realloc(list->entries, list->cap * sizeof(list->entries[0]));
    }
    list->entries[list->n++] =
        (struct fs_entry){.name = mem_strdup(name), .path = mem_strdup(path), .status = *status};
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct fs_entry *)a)->path, ((const struct fs_entry *)b)->path);
}

void fs_list_sort(struct fs_list *list)
{
    if (list->n > 1) {
        qsort(list->entries, list->n, sizeof(list->entries[0]), compare_entries);
    }
}
