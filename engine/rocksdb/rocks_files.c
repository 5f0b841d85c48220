/* The files of snapshots: links of runs and of what RocksDB's checkpoints name.
 *
 * A link keeps its inode from being anybody else's, so that the inode tells which files of the next base are the
 * same bytes as those of the last one, or as a run that RocksDB took in and did not touch since.
 * Thread: one owner. */
#include "engine/rocksdb/rocks_inside.h"

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COPY_STEP = 1 << 30,
    PROPERTIES_BYTES = 32 * 1024, /* at the end of a sorted file, with its index of indexes */
};

/* ---- kept files ------------------------------------------------------------------------------------ */

static const struct rocks_kept *find_inode(const struct vec *kept, uint64_t inode)
{
    for (size_t i = 0; kept != NULL && i < kept->len; i++) {
        const struct rocks_kept *k = VEC_AT(kept, struct rocks_kept, i);
        if (k->inode == inode) {
            return k;
        }
    }
    return NULL;
}

int rocks_keep(struct rocks_store *s, const char *path, const struct vec *known, struct vec *kept,
               struct error *err)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        return error_set_errno(err, errno, "looking at %s", path);
    }
    const struct rocks_kept *same = find_inode(known, st.st_ino);
    *VEC_PUSH(kept, struct rocks_kept) =
        (struct rocks_kept){.path = mem_strdup(path),
                            .size = (uint64_t)st.st_size,
                            .file_id = same != NULL ? same->file_id : s->next_file_id++,
                            .inode = st.st_ino};
    return 0;
}

void rocks_kept_drop(struct vec *kept)
{
    for (size_t i = 0; i < kept->len; i++) {
        struct rocks_kept *k = VEC_AT(kept, struct rocks_kept, i);
        (void)unlink(k->path);
        mem_free(k->path);
    }
    vec_fini(kept);
}

/* ---- bases ----------------------------------------------------------------------------------------- */

static int make_checkpoint(struct rocks_store *s, const struct rocks_partition *p,
                           const char *directory, struct error *err)
{
    char *text = NULL;
    rocksdb_checkpoint_t *c = s->api->checkpoint_object_create(p->db, &text);

    if (text == NULL) {
        s->api->checkpoint_create(c, directory, UINT64_MAX, &text); /* nothing to flush */
        s->api->checkpoint_object_destroy(c);
    }
    STR_AUTO what = STR_INIT;
    str_printf(&what, "linking the files of %s to %s", p->directory, directory);
    return rocks_check(s->api, text, str_cstr(&what), err);
}

/* The files of a folder join `kept` as they are there. */
static int keep_folder(struct rocks_store *s, const char *directory, const struct vec *known,
                       struct vec *kept, struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    STR_AUTO path = STR_INIT;

    int rc = fs_list_dir(directory, &list, err);
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        str_clear(&path);
        str_printf(&path, "%s/%s", directory, list.entries[i].name);
        rc = rocks_keep(s, str_cstr(&path), known, kept, err);
    }
    fs_list_fini(&list);
    return rc;
}

static uint64_t bytes_of(const struct vec *kept)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < kept->len; i++) {
        bytes += VEC_AT(kept, struct rocks_kept, i)->size;
    }
    return bytes;
}

/* A new base in place of the old one and the runs since. */
static int renew_base(struct rocks_store *s, struct rocks_partition *p, struct error *err)
{
    STR_AUTO directory = STR_INIT;
    struct vec base = VEC_INIT(struct rocks_kept);
    struct vec known = VEC_INIT(struct rocks_kept);

    for (size_t i = 0; i < p->base.len + p->runs.len; i++) {
        *VEC_PUSH(&known, struct rocks_kept) =
            i < p->base.len ? *VEC_AT(&p->base, struct rocks_kept, i)
                            : *VEC_AT(&p->runs, struct rocks_kept, i - p->base.len);
    }
    rocks_store_name(s, "base", &directory);
    int rc = make_checkpoint(s, p, str_cstr(&directory), err);
    rc = rc == 0 ? keep_folder(s, str_cstr(&directory), &known, &base, err) : rc;
    vec_fini(&known);
    if (rc < 0) {
        rocks_kept_drop(&base);
        return rc;
    }
    rocks_kept_drop(&p->base);
    rocks_kept_drop(&p->runs);
    if (p->base_directory != NULL) {
        (void)rmdir(p->base_directory);
        mem_free(p->base_directory);
    }
    p->base_directory = mem_strdup(str_cstr(&directory));
    p->base = base;
    vec_init(&p->runs, sizeof(struct rocks_kept));
    p->base_bytes = bytes_of(&p->base);
    p->runs_bytes = 0;
    return 0;
}

/* ---- snapshots ------------------------------------------------------------------------------------- */

static int link_kept(const struct vec *kept, const char *directory, bool is_run, struct vec *files,
                     struct error *err)
{
    STR_AUTO path = STR_INIT;

    for (size_t i = 0; i < kept->len; i++) {
        const struct rocks_kept *k = VEC_AT(kept, struct rocks_kept, i);
        str_clear(&path);
        str_printf(&path, "%s/%s", directory, fs_base_name(k->path));
        if (link(k->path, str_cstr(&path)) < 0) {
            return error_set_errno(err, errno, "linking %s to %s", k->path, str_cstr(&path));
        }
        *VEC_PUSH(files, struct rocks_file) =
            (struct rocks_file){.path = mem_strdup(str_cstr(&path)),
                                .size = k->size,
                                .file_id = k->file_id,
                                .is_run = is_run};
    }
    return 0;
}

static int link_partition(struct rocks_store *s, struct rocks_partition *p,
                          struct vec *ret_partitions, struct error *err)
{
    STR_AUTO directory = STR_INIT;

    if (p->base.len == 0 || p->runs_bytes > p->base_bytes) {
        TRY(renew_base(s, p, err));
    }
    rocks_store_name(s, "snapshot", &directory);
    TRY(fs_mkdirs(str_cstr(&directory), err));
    struct rocks_files *f = VEC_PUSH(ret_partitions, struct rocks_files);
    *f = (struct rocks_files){.first_group = p->first_group,
                              .last_group = p->last_group,
                              .directory = mem_strdup(str_cstr(&directory)),
                              .files = VEC_INIT(struct rocks_file)};
    TRY(link_kept(&p->base, f->directory, false, &f->files, err));
    return link_kept(&p->runs, f->directory, true, &f->files, err);
}

int rocks_store_link_files(struct rocks_store *s, struct vec *ret_partitions, struct error *err)
{
    ASSERT(!s->in_run);
    int rc = FAILPOINT(err, "rocksdb.link_files");
    for (size_t i = 0; i < s->partitions.len && rc == 0; i++) {
        rc = link_partition(s, vec_ptr(&s->partitions, i), ret_partitions, err);
    }
    if (rc < 0) {
        rocks_files_drop(ret_partitions);
    }
    return rc;
}

void rocks_files_drop(struct vec *partitions)
{
    for (size_t i = 0; i < partitions->len; i++) {
        struct rocks_files *f = VEC_AT(partitions, struct rocks_files, i);
        for (size_t k = 0; k < f->files.len; k++) {
            struct rocks_file *file = VEC_AT(&f->files, struct rocks_file, k);
            (void)unlink(file->path);
            mem_free(file->path);
        }
        vec_fini(&f->files);
        if (f->directory != NULL) {
            (void)rmdir(f->directory);
            mem_free(f->directory);
        }
    }
    vec_clear(partitions);
}

/* ---- adopting -------------------------------------------------------------------------------------- */

static int copy_open(int from, int to, const char *path, struct error *err)
{
    ssize_t n;

    do {
        n = copy_file_range(from, NULL, to, NULL, COPY_STEP, 0);
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? error_set_errno(err, errno, "copying %s", path) : 0;
}

static int copy_file(const char *path, const char *to_path, struct error *err)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return error_set_errno(err, errno, "opening %s", path);
    }
    int to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = to < 0 ? error_set_errno(err, errno, "creating %s", to_path)
                    : copy_open(from, to, path, err);
    (void)close(from);
    if (to >= 0 && close(to) < 0 && rc == 0) {
        rc = error_set_errno(err, errno, "writing %s", to_path);
    }
    return rc;
}

/* When RocksDB takes a file in it writes the file's place in the order of writes into it, behind this name, and takes it
 * only where that is 0.  (Its checksum is of the file with a 0.) */
static const char place_name[] = "external_sst_file.global_seqno"; /* after "rocksdb." */

static int forget_place(const char *path, struct error *err)
{
    char tail[PROPERTIES_BYTES];
    const uint64_t none = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening %s", path);
    }
    off_t size = lseek(fd, 0, SEEK_END), from = MAX(size - (off_t)sizeof(tail), (off_t)0);
    ssize_t n = pread(fd, tail, sizeof(tail), from);
    const char *name = n > 0 ? memmem(tail, (size_t)n, place_name, sizeof(place_name) - 1) : NULL;
    off_t at = name != NULL ? from + (name - tail) + (off_t)sizeof(place_name) - 1 : 0;
    int rc = 0;
    if (name == NULL || at + (off_t)sizeof(none) > size) {
        rc = error_set(err, ERR_CORRUPT, "%s is no run of RocksDB state, or damaged", path);
    } else if (fd_write_all_at(fd, &none, sizeof(none), at) < 0) {
        rc = error_set_errno(err, errno, "writing %s", path);
    }
    (void)close(fd);
    return rc;
}

/* Sorted files never change where RocksDB opens them; the others, small, may: they are copied, and so are runs, which
 * change when they are taken in. */
static int bring(const struct rocks_file *file, const char *to, struct error *err)
{
    const char *dot = strrchr(file->path, '.');

    if (!file->is_run && dot != NULL && strcmp(dot, ".sst") == 0) {
        return link(file->path, to) == 0
                   ? 0
                   : error_set_errno(err, errno, "linking %s to %s", file->path, to);
    }
    return copy_file(file->path, to, err);
}

static int bring_base(const struct rocks_files *parent, const char *directory, struct error *err)
{
    STR_AUTO to = STR_INIT;

    TRY(fs_mkdirs(directory, err));
    for (size_t i = 0; i < parent->files.len; i++) {
        const struct rocks_file *file = VEC_AT(&parent->files, struct rocks_file, i);
        str_clear(&to);
        str_printf(&to, "%s/%s", directory, fs_base_name(file->path));
        if (!file->is_run) {
            TRY(bring(file, str_cstr(&to), err));
        }
    }
    return 0;
}

static int take_runs(struct rocks_store *s, struct rocks_partition *p,
                     const struct rocks_files *parent, struct error *err)
{
    for (size_t i = 0; i < parent->files.len; i++) {
        const struct rocks_file *file = VEC_AT(&parent->files, struct rocks_file, i);
        STR_AUTO to = STR_INIT;
        STR_AUTO what = STR_INIT;
        char *text = NULL;
        if (!file->is_run) {
            continue;
        }
        rocks_store_name(s, "run", &to);
        TRY(bring(file, str_cstr(&to), err));
        TRY(forget_place(str_cstr(&to), err));
        const char *paths[] = {str_cstr(&to)};
        s->api->ingest_external_file(p->db, paths, ARRAY_LEN(paths), s->shared->ingest, &text);
        str_printf(&what, "taking in %s", file->path);
        TRY(rocks_check(s->api, text, str_cstr(&what), err));
        atomic_fetch_add(&p->n_taken_in, 1);
    }
    return 0;
}

/* Keys of groups that are not this store's are never seen; here their room is given back: whole files at
 * once, the rest by RocksDB's next compactions. */
static int clip(struct rocks_store *s, struct rocks_partition *p, const struct rocks_files *parent,
                struct error *err)
{
    const uint32_t ends[][2] = {{parent->first_group, p->first_group},
                                {p->last_group + 1, parent->last_group + 1}};
    char *text = NULL;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        const char from[] = {(char)(ends[i][0] >> 8), (char)ends[i][0]};
        const char until[] = {(char)(ends[i][1] >> 8), (char)ends[i][1]};
        if (ends[i][0] < ends[i][1] && ends[i][1] <= UINT16_MAX) {
            s->api->delete_file_in_range(p->db, from, sizeof(from), until, sizeof(until), &text);
            STR_AUTO what = STR_INIT;
            str_printf(&what, "clipping the RocksDB state in %s", p->directory);
            TRY(rocks_check(s->api, text, str_cstr(&what), err));
        }
    }
    return 0;
}

/* What was taken over is what the partition's snapshots have, for now. */
static int keep_parent(struct rocks_store *s, struct rocks_partition *p,
                       const struct rocks_files *parent, uint64_t *ret_file_ids, struct error *err)
{
    STR_AUTO directory = STR_INIT;
    STR_AUTO path = STR_INIT;

    rocks_store_name(s, "base", &directory);
    TRY(fs_mkdirs(str_cstr(&directory), err));
    p->base_directory = mem_strdup(str_cstr(&directory));
    for (size_t i = 0; i < parent->files.len; i++) {
        const struct rocks_file *file = VEC_AT(&parent->files, struct rocks_file, i);
        struct vec *kept = file->is_run ? &p->runs : &p->base;
        str_clear(&path);
        if (file->is_run) {
            rocks_store_name(s, "kept", &path);
        } else {
            str_printf(&path, "%s/%s", p->base_directory, fs_base_name(file->path));
        }
        if (link(file->path, str_cstr(&path)) < 0) {
            return error_set_errno(err, errno, "linking %s to %s", file->path, str_cstr(&path));
        }
        TRY(rocks_keep(s, str_cstr(&path), NULL, kept, err));
        ret_file_ids[i] = VEC_AT(kept, struct rocks_kept, kept->len - 1)->file_id;
    }
    p->base_bytes = bytes_of(&p->base);
    p->runs_bytes = bytes_of(&p->runs);
    return 0;
}

int rocks_store_adopt(struct rocks_store *s, const struct rocks_files *parent,
                      uint64_t *ret_file_ids, struct error *err)
{
    STR_AUTO directory = STR_INIT;
    struct rocks_partition *p = NULL;
    uint32_t first = MAX(parent->first_group, s->first_group);
    uint32_t last = MIN(parent->last_group, s->last_group);

    if (first > last) {
        return 0;
    }
    TRY(FAILPOINT(err, "rocksdb.adopt"));
    if (PLANTED("rocksdb.unclipped")) {
        first = parent->first_group;
        last = parent->last_group;
    }
    if (PLANTED("rocksdb.clips_one_less")) {
        last = MIN(last + 1, parent->last_group);
    }
    if (PLANTED("rocksdb.file_ids_again")) {
        s->next_file_id = 0;
    }
    rocks_store_name(s, "db", &directory);
    TRY(bring_base(parent, str_cstr(&directory), err));
    TRY(rocks_partition_open(s, str_cstr(&directory), first, last, &p, err));
    int rc = take_runs(s, p, parent, err);
    rc = rc == 0 ? clip(s, p, parent, err) : rc;
    rc = rc == 0 ? keep_parent(s, p, parent, ret_file_ids, err) : rc;
    if (rc < 0) {
        rocks_partition_free(s, p);
        return rc;
    }
    rocks_partition_note_held(s, p);
    rocks_partition_insert(s, p);
    return 0;
}
