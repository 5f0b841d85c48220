/* The storage of the simulation as a file system of common/fs, scheme "sim": the table of sim_storage.c, for what the product reads
 * and writes itself (metadata of checkpoints, large values of high availability).  Calls take time, and fail with and without having
 * done what they were asked for; a process that was frozen in one goes on with it.  A folder is there while something is in it, or for
 * ever: those of single checkpoints are rows of the table, as nobody may make them twice.
 *
 * Thread: fibers.  See sim.h. */
#include "tests/sim/sim.h"

#include "common/fs/driver.h"
#include <stdio.h>

struct sim_input {
    struct fs_input base;
    uint8_t *bytes; /* Owns: as of the open */
};

struct sim_output {
    struct fs_output base;
    struct str bytes; /* Owns */
};

/* ---- what goes wrong -------------------------------------------------------------------------------------- */

static struct sim *sim(void)
{
    return sim_ha_current;
}

static void delay(void)
{
    struct sim *s = sim();
    if (s->lossy && sim_ha_chance(s, 15)) {
        sim_pause_ms(sim_ha_chance(s, 8) ? 1 + sim_ha_below(s, 3000) : 1 + sim_ha_below(s, 30));
    } else if (sim_ha_chance(s, 15)) {
        sim_pause_ms(0);
    }
}

static int fails(const char *path, struct error *err)
{
    struct sim *s = sim();
    if (sim_is_ghost() || (s->lossy && sim_ha_chance(s, 1)) || sim_ha_is_cut_off(s)) {
        return error_set(err, ERR_IO, "%s: the storage does not answer", path);
    }
    return 0;
}

/* Before it happens, and after. */
static int begin(const char *path, struct error *err)
{
    delay();
    return fails(path, err);
}

static int end(const char *path, struct error *err)
{
    delay();
    return fails(path, err);
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static void format(const struct fs_location *at, struct str *ret)
{
    fs_location_format(at, ret);
}

/* The job that a path is of, by the id in it; none: zeros. */
static struct flinc_id job_of(const char *path)
{
    const struct sim *s = sim();
    const char *savepoint = strstr(path, "/savepoint-");
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        char hex[ID_HEX_LEN + 1];
        id_format(&s->jobs[i].id, hex);
        bool is_it = strstr(path, hex) != NULL;
        hex[6] = '\0';
        if (is_it || (savepoint != NULL && strncmp(savepoint + 11, hex, 6) == 0)) {
            return s->jobs[i].id;
        }
    }
    return (struct flinc_id){{0}};
}

static bool is_of_one_checkpoint(const char *path)
{
    const char *name = fs_base_name(path);
    return strncmp(name, "chk-", 4) == 0 || strncmp(name, "savepoint-", 10) == 0;
}

static bool has_below(const struct sim *s, const char *folder)
{
    size_t len = strlen(folder);
    MAP_FOREACH (&s->files, e) {
        if (strncmp(e->key, folder, len) == 0 && e->key[len] == '/') {
            return true;
        }
    }
    return false;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static int input_read_at(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                         size_t *ret_n, struct error *err)
{
    *ret_n = offset < in->size_bytes ? (size_t)MIN((uint64_t)size, in->size_bytes - offset) : 0;
    memcpy(buf, ((struct sim_input *)in)->bytes + offset, *ret_n);
    return 0;
}

static void input_close(struct fs_input *in)
{
    mem_free(((struct sim_input *)in)->bytes);
    mem_free(in->path);
    mem_free(in);
}

static const struct fs_input_ops input_ops = {.read_at = input_read_at, .close = input_close};

static int fs_sim_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret,
                       struct error *err)
{
    STR_AUTO path = STR_INIT;
    format(at, &path);
    TRY(begin(str_cstr(&path), err));
    const struct sim_file *f = sim_storage_find(sim(), str_cstr(&path));
    if (f == NULL) {
        return error_set(err, ERR_NOT_FOUND, "%s is not there", str_cstr(&path));
    }
    struct sim_input *in = MEM_NEW(struct sim_input);
    in->base = (struct fs_input){&input_ops, mem_strdup(str_cstr(&path)), f->size};
    in->bytes = mem_alloc(f->size + 1);
    if (f->size > 0) {
        memcpy(in->bytes, f->bytes, f->size);
    }
    *ret = &in->base;
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static int output_write(struct fs_output *out, const void *data, size_t size, struct error *err)
{
    str_append(&((struct sim_output *)out)->bytes, data, size);
    return 0;
}

/* To whatever has the name now: one that was deleted meanwhile takes nothing any more. */
static void put_bytes(const struct sim_output *o)
{
    struct sim_file *f = sim_storage_find(sim(), o->base.path);
    if (f != NULL) {
        mem_free(f->bytes);
        f->size = o->bytes.len;
        f->bytes = mem_alloc(f->size + 1);
        if (f->size > 0) {
            memcpy(f->bytes, o->bytes.data, f->size);
        }
    }
}

static int output_sync(struct fs_output *out, struct error *err)
{
    TRY(begin(out->path, err));
    put_bytes((struct sim_output *)out);
    return end(out->path, err);
}

static int output_flush(struct fs_output *out, struct error *err)
{
    return 0;
}

static void output_free(struct fs_output *out)
{
    str_fini(&((struct sim_output *)out)->bytes);
    mem_free(out->path);
    mem_free(out);
}

static int output_close(struct fs_output *out, struct error *err)
{
    int rc = output_sync(out, err);
    output_free(out);
    return rc;
}

static const struct fs_output_ops output_ops = {.write = output_write,
                                                .flush = output_flush,
                                                .sync = output_sync,
                                                .close = output_close,
                                                .abandon = output_free};

static int fs_sim_create(const struct fs_location *at, enum fs_write_mode mode,
                         struct fs_output **ret, struct error *err)
{
    STR_AUTO path = STR_INIT;
    format(at, &path);
    TRY(begin(str_cstr(&path), err));
    struct sim_file *f = sim_storage_find(sim(), str_cstr(&path));
    if (f != NULL && mode == FS_CREATE_NEW) {
        return error_set(err, ERR_ALREADY_EXISTS, "%s is there already", str_cstr(&path));
    }
    if (f == NULL) {
        struct flinc_id job = job_of(str_cstr(&path));
        sim_storage_put(sim(), str_cstr(&path), &job);
        f = sim_storage_find(sim(), str_cstr(&path));
        f->writer = sim_ha_writer(sim());
    }
    int rc = end(str_cstr(&path), err);
    if (rc < 0) {
        f->excused = true;
        return rc;
    }
    struct sim_output *o = MEM_NEW(struct sim_output);
    o->base = (struct fs_output){&output_ops, mem_strdup(str_cstr(&path)), 0};
    *ret = &o->base;
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static int fs_sim_stat(const struct fs_location *at, struct fs_status *ret, struct error *err)
{
    STR_AUTO path = STR_INIT;
    format(at, &path);
    TRY(begin(str_cstr(&path), err));
    const struct sim_file *f = sim_storage_find(sim(), str_cstr(&path));
    bool is_folder = is_of_one_checkpoint(str_cstr(&path)) || has_below(sim(), str_cstr(&path));
    if (f == NULL && !has_below(sim(), str_cstr(&path))) {
        return error_set(err, ERR_NOT_FOUND, "%s is not there", str_cstr(&path));
    }
    *ret = (struct fs_status){.kind = is_folder ? FS_KIND_DIRECTORY : FS_KIND_FILE,
                              .size_bytes = f != NULL ? f->size : 0,
                              .modified_ms = f != NULL ? f->made_ms : 0};
    return 0;
}

static int fs_sim_list(const struct fs_location *at, struct fs_list *ret, struct error *err)
{
    STR_AUTO path = STR_INIT;
    format(at, &path);
    TRY(begin(str_cstr(&path), err));
    MAP_FOREACH (&sim()->files, e) {
        bool is_in = strncmp(e->key, path.data, path.len) == 0 && e->key[path.len] == '/';
        if (is_in && strchr(e->key + path.len + 1, '/') == NULL) {
            const struct sim_file *f = e->value;
            const struct fs_status status = {
                .kind = is_of_one_checkpoint(e->key) ? FS_KIND_DIRECTORY : FS_KIND_FILE,
                .size_bytes = f->size,
                .modified_ms = f->made_ms};
            TRY(fs_list_add(ret, e->key + path.len + 1, e->key, &status, err));
        }
    }
    return 0;
}

static int fs_sim_mkdirs(const struct fs_location *at, struct error *err)
{
    STR_AUTO path = STR_INIT;
    format(at, &path);
    if (!is_of_one_checkpoint(str_cstr(&path))) {
        return 0;
    }
    TRY(begin(str_cstr(&path), err));
    struct flinc_id job = job_of(str_cstr(&path));
    sim_storage_put(sim(), str_cstr(&path), &job);
    struct sim_file *f = sim_storage_find(sim(), str_cstr(&path));
    f->writer = sim_ha_writer(sim());
    int rc = fails(str_cstr(&path), err);
    f->excused = rc < 0;
    if (rc == 0) {
        delay();
    }
    return rc;
}

static int fs_sim_rename(const struct fs_location *from, const struct fs_location *to,
                         struct error *err)
{
    STR_AUTO old = STR_INIT;
    STR_AUTO new = STR_INIT;
    format(from, &old);
    format(to, &new);
    TRY(begin(str_cstr(&old), err));
    struct sim_file *f = map_take(&sim()->files, str_cstr(&old));
    if (f == NULL) {
        return error_set(err, ERR_NOT_FOUND, "%s is not there", str_cstr(&old));
    }
    sim_storage_move(sim(), str_cstr(&new), f);
    return end(str_cstr(&new), err);
}

static int fs_sim_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err)
{
    STR_AUTO path = STR_INIT;
    format(at, &path);
    delay();
    int rc = fails(str_cstr(&path), err);
    bool all = mode == FS_DELETE_RECURSIVE;
    bool there = sim_storage_find(sim(), str_cstr(&path)) != NULL;
    bool below = has_below(sim(), str_cstr(&path));
    if (rc < 0) {
        sim_storage_excuse(sim(), str_cstr(&path), all);
        return rc;
    }
    if (below && !all) {
        return error_set(err, ERR_STATE, "%s is not empty", str_cstr(&path));
    }
    if (!there && !below) {
        return error_set(err, ERR_NOT_FOUND, "%s is not there", str_cstr(&path));
    }
    sim_storage_delete(sim(), str_cstr(&path), all);
    return end(str_cstr(&path), err);
}

const struct fs_driver sim_fs_driver = {
    .scheme = "sim",
    .description = "files of the simulation",
    .open = fs_sim_open,
    .create = fs_sim_create,
    .stat = fs_sim_stat,
    .list = fs_sim_list,
    .mkdirs = fs_sim_mkdirs,
    .rename = fs_sim_rename,
    .remove = fs_sim_remove,
};
