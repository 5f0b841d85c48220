/* The storage of checkpoints in the simulation: a table of paths.  Everything may fail, with or without having
 * done what it was asked for.  Nobody makes a name twice, and nobody deletes what a snapshot needs that is
 * kept.  See sim.h. */
#include "tests/sim/sim.h"

#include "engine/snapshot/metadata.h"
#include <stdio.h>

static void free_file(void *file)
{
    mem_free(((struct sim_file *)file)->bytes);
    mem_free(file);
}

void sim_storage_init(struct sim *s)
{
    map_init(&s->files, free_file);
    map_init(&s->ever, NULL);
    s->storage = sim_storage_files;
    s->storage.arg = s;
}

void sim_storage_fini(struct sim *s)
{
    map_fini(&s->files);
    map_fini(&s->ever);
}

struct sim_file *sim_storage_find(const struct sim *s, const char *path)
{
    return map_find(&s->files, path);
}

static struct sim_file *put(struct sim *s, const char *path, const struct flinc_id *job_id)
{
    struct sim_file *f = MEM_NEW(struct sim_file);
    f->job_id = *job_id;
    f->made_ms = sim_now_ms(s);
    char what[600];
    if (!map_put(&s->ever, path, s)) {
        snprintf(what, sizeof(what), "the name %s is used a second time", path);
        sim_failed(s, __FILE__, __LINE__, what);
    }
    SIM_CHECK(s, map_put(&s->files, path, f));
    s->totals->files++;
    return f;
}

void sim_storage_put(struct sim *s, const char *path, const struct flinc_id *job_id)
{
    (void)put(s, path, job_id);
}

void sim_storage_move(struct sim *s, const char *path, struct sim_file *f)
{
    if (!map_put(&s->ever, path, s)) {
        (void)snprintf(s->said, sizeof(s->said), "the name %s is used a second time", path);
        sim_failed(s, __FILE__, __LINE__, s->said);
    }
    SIM_CHECK(s, map_put(&s->files, path, f));
}

static int fails(struct sim *s, const char *what, struct error *err)
{
    if (s->lossy && sim_chance(s, 4)) {
        return error_set(err, ERR_IO, "%s: the storage does not answer", what);
    }
    return 0;
}

/* ---- the table of checkpoint_files.h ------------------------------------------------------------------------- */

static int make_folder(void *arg, const struct checkpoint_folder_request *r,
                       struct str *ret_exclusive, struct str *ret_shared, struct error *err)
{
    struct sim *s = arg;
    struct flinc_id job_id;
    char hex[ID_HEX_LEN + 1];
    memcpy(job_id.bytes, r->job_id, sizeof(job_id.bytes));
    id_format(&job_id, hex);
    if (r->random != NULL) {
        str_printf(ret_exclusive, "%s/savepoint-%.6s-", r->root, hex);
        for (int i = 0; i < 6; i++) {
            str_printf(ret_exclusive, "%02x", r->random[i]);
        }
        str_printf(ret_shared, "%s", str_cstr(ret_exclusive));
    } else {
        str_printf(ret_exclusive, "%s/%s/chk-%llu", r->root, hex,
                   (unsigned long long)r->checkpoint_id);
        str_printf(ret_shared, "%s/%s/shared", r->root, hex);
    }
    TRY(fails(s, "making a folder", err));
    struct sim_file *f = put(s, str_cstr(ret_exclusive), &job_id);
    int rc = fails(s, "the folder is there, but", err);
    f->excused = rc < 0;
    return rc;
}

static int write_metadata(void *arg, const char *directory, const Flinc__CheckpointMetadata *m,
                          uint64_t *ret_bytes, struct error *err)
{
    struct sim *s = arg;
    struct flinc_id job_id;
    char path[512];
    memcpy(job_id.bytes, m->job_id.data, sizeof(job_id.bytes));
    snprintf(path, sizeof(path), "%s/%s", directory, CHECKPOINT_METADATA_NAME);
    TRY(fails(s, "writing", err));
    struct sim_file *f = put(s, path, &job_id);
    f->size = flinc__checkpoint_metadata__get_packed_size(m);
    f->bytes = mem_alloc(f->size + 1);
    flinc__checkpoint_metadata__pack(m, f->bytes);
    *ret_bytes = f->size;
    return fails(s, "the metadata is there, but", err);
}

Flinc__CheckpointMetadata *sim_storage_metadata(const struct sim *s, const char *directory)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, CHECKPOINT_METADATA_NAME);
    const struct sim_file *f = sim_storage_find(s, path);
    if (f == NULL || !s->has_ha) {
        return f != NULL ? flinc__checkpoint_metadata__unpack(NULL, f->size, f->bytes) : NULL;
    }
    Flinc__CheckpointMetadata *m = NULL; /* as the product has written it */
    struct error ignored = ERROR_INIT;
    return metadata_decode(f->bytes, f->size, path, &m, &ignored) == 0 ? m : NULL;
}

static int read_metadata(void *arg, const char *path, Flinc__CheckpointMetadata **ret,
                         struct str *ret_directory, struct error *err)
{
    struct sim *s = arg;
    TRY(fails(s, "reading", err));
    Flinc__CheckpointMetadata *m = sim_storage_metadata(s, path);
    if (m == NULL) {
        return error_set(err, ERR_NOT_FOUND, "%s: there is no snapshot", path);
    }
    str_printf(ret_directory, "%s", path);
    *ret = m;
    return 0;
}

/* ---- deleting ------------------------------------------------------------------------------------------------ */

static bool is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static void delete_one(struct sim *s, const char *path, const struct sim_file *f)
{
    char what[600];
    if (f->refs > 0 && s->has_ha) {
        sim_snapshots_observe(s); /* what has just been completed */
    }
    if (f->refs > 0 && !(s->has_ha && sim_snapshots_let_go(s, path))) {
        snprintf(what, sizeof(what), "%s is deleted, and a snapshot that is kept refers to it",
                 path);
        sim_failed(s, __FILE__, __LINE__, what);
    }
    (void)map_remove(&s->files, path);
}

void sim_storage_delete(struct sim *s, const char *path, bool all)
{
    MAP_FOREACH (&s->files, e) {
        if (all ? is_below(e->key, path) : strcmp(e->key, path) == 0) {
            delete_one(s, e->key, e->value);
        }
    }
}

void sim_storage_excuse(struct sim *s, const char *path, bool all)
{
    MAP_FOREACH (&s->files, e) {
        if (all ? is_below(e->key, path) : strcmp(e->key, path) == 0) {
            ((struct sim_file *)e->value)->excused = true;
        }
    }
}

static int delete_folder(void *arg, const char *directory, struct error *err)
{
    struct sim *s = arg;
    int rc = fails(s, "deleting", err);
    MAP_FOREACH (&s->files, e) {
        if (!is_below(e->key, directory)) {
            continue;
        }
        if (rc < 0) {
            ((struct sim_file *)e->value)->excused = true;
        } else {
            delete_one(s, e->key, e->value);
        }
    }
    return rc < 0 ? rc : fails(s, "it is deleted, but", err);
}

static int delete_file(void *arg, const char *uri, struct error *err)
{
    struct sim *s = arg;
    int rc = fails(s, "deleting", err);
    struct sim_file *f = sim_storage_find(s, uri);
    if (f != NULL && rc < 0) {
        f->excused = true;
    } else if (f != NULL) {
        delete_one(s, uri, f);
    }
    return rc < 0 ? rc : fails(s, "it is deleted, but", err);
}

static void delete_empty(void *arg, const char *directory)
{
    /* Folders of a job are not in the table. */
}

const struct checkpoint_files sim_storage_files = {
    .make_folder = make_folder,
    .write = write_metadata,
    .read = read_metadata,
    .delete_folder = delete_folder,
    .delete_file = delete_file,
    .delete_empty = delete_empty,
};
