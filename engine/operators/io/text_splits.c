/* Files below paths, and their splits; see text_splits.h. */
#include "engine/operators/io/text_splits.h"

#include "common/fs/stream.h"
#include "engine/patterns/regex.h"
#include <stdio.h>

/* Where a search stands. */
struct file_search {
    uint32_t flags;
    const struct map *seen; /* Borrows; may be NULL */
    struct map found;       /* by this search */
    struct vec *files;
};

static int add_file(struct file_search *s, const char *path, uint64_t size, struct error *err)
{
    size_t n_seen = s->seen != NULL ? s->seen->len : 0;

    if ((n_seen > 0 && map_has(s->seen, path)) || map_has(&s->found, path)) {
        return 0;
    }
    if (n_seen + s->found.len >= TEXT_FILES_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "the input has more than %d files; name fewer, or join them",
                         TEXT_FILES_MAX);
    }
    (void)map_put(&s->found, path, s);
    struct text_file *f = VEC_PUSH(s->files, struct text_file);
    f->path = mem_strdup(path);
    f->size = size;
    return 0;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.' || name[0] == '_';
}

/* Where a folder lies below the path that led to it. */
struct folder_depth {
    int folders, links;
};

static int check_depth(const char *path, struct folder_depth depth, struct error *err)
{
    if (depth.links > TEXT_LINK_DEPTH_MAX || depth.folders > FS_DEPTH_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "%s lies too deep (%d folders, %d of them links) below the input; does a "
                         "link lead back up?",
                         path, depth.folders, depth.links);
    }
    return 0;
}

/* Depth first, in order of names.  What is no file is left out: a pipe in a folder is nobody's input. */
static int add_folder(struct file_search *s, const char *path, struct folder_depth depth,
                      struct error *err)
{
    struct fs_list list = FS_LIST_INIT;

    TRY(check_depth(path, depth, err));
    int rc = fs_list_dir(path, &list, err);
    if (rc == ERR_NOT_FOUND && depth.folders > 0) { /* it vanished since its name was read */
        if (err != NULL) {
            error_clear(err);
        }
        rc = 0;
    }
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        const struct fs_entry *e = &list.entries[i];
        if (is_hidden(e->name)) {
            continue;
        }
        if (e->status.kind == FS_KIND_FILE) {
            rc = add_file(s, e->path, e->status.size_bytes, err);
        } else if (e->status.kind == FS_KIND_DIRECTORY && (s->flags & TEXT_FIND_RECURSIVE) != 0) {
            struct folder_depth below = {depth.folders + 1, depth.links + e->status.is_link};
            rc = add_folder(s, e->path, below, err);
        }
    }
    fs_list_fini(&list);
    return rc;
}

static int add_entry(struct file_search *s, const char *path, const struct fs_status *status,
                     struct error *err)
{
    if (status->kind == FS_KIND_DIRECTORY) {
        return add_folder(s, path, (struct folder_depth){0, 0}, err);
    }
    if (status->kind == FS_KIND_FILE) {
        return add_file(s, path, status->size_bytes, err);
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "input %s is neither a file nor a folder (%s)",
                     path, fs_kind_name(status->kind));
}

static int add_glob(struct file_search *s, const char *pattern, struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    int rc = fs_glob(pattern, &list, err);

    if (rc == 0 && list.n == 0 && (s->flags & TEXT_FIND_OPTIONAL) == 0) {
        rc = error_set(err, ERR_NOT_FOUND,
                       "no file matches the input pattern %s; check it (relative paths start at "
                       "the working directory)",
                       pattern);
    }
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        rc = add_entry(s, list.entries[i].path, &list.entries[i].status, err);
    }
    fs_list_fini(&list);
    return rc;
}

/* The form in which listings name files, so that a file is the same whichever way it was named. */
static int canonical(const char *path, struct str *ret, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};

    TRY(fs_location_parse(path, &at, err));
    if (strcmp(at.scheme, "file") == 0) {
        str_append_cstr(ret, at.path);
    } else {
        fs_location_format(&at, ret);
    }
    return 0;
}

static int add_path(struct file_search *s, const char *path, struct error *err)
{
    STR_AUTO full = STR_INIT;
    struct fs_status status;
    struct error cause = ERROR_INIT;

    if (fs_stat(path, &status, &cause) == 0) { /* a name with brackets may be a file's own */
        TRY(canonical(path, &full, err));
        return add_entry(s, str_cstr(&full), &status, err);
    }
    if (fs_is_glob(path)) {
        return add_glob(s, path, err);
    }
    if (cause.code == ERR_NOT_FOUND && (s->flags & TEXT_FIND_OPTIONAL) != 0) {
        return 0;
    }
    if (cause.code == ERR_NOT_FOUND) {
        return error_set(err, ERR_NOT_FOUND,
                         "input %s does not exist; check the path (relative ones start at the "
                         "working directory)",
                         path);
    }
    if (err != NULL) {
        error_copy(err, &cause);
    }
    return cause.code;
}

int text_files_find(char *const *paths, size_t n_paths, uint32_t flags, const struct map *seen,
                    struct vec *ret_files, struct error *err)
{
    struct file_search s = {.flags = flags, .seen = seen, .files = ret_files};
    size_t before = ret_files->len;
    int rc = 0;

    map_init(&s.found, NULL);
    for (size_t i = 0; i < n_paths && rc == 0; i++) {
        rc = add_path(&s, paths[i], err);
    }
    map_fini(&s.found);
    while (rc < 0 && ret_files->len > before) { /* nobody will read them */
        mem_free(VEC_AT(ret_files, struct text_file, ret_files->len - 1)->path);
        vec_pop(ret_files);
    }
    return rc;
}

/* Of a location the path alone, without scheme and bucket, as Flink has it. */
static int matches_path(struct regex *r, const char *uri, bool *ret, struct error *err)
{
    struct fs_location location;

    TRY(fs_location_parse(uri, &location, err));
    int rc = regex_find(r, slice_cstr(location.path), 0, ret, err);
    fs_location_fini(&location);
    return rc;
}

int text_files_match(struct vec *files, const char *pattern, struct error *err)
{
    STR_AUTO whole = STR_INIT;
    struct regex *r = NULL;
    size_t kept = 0;
    int rc = 0;

    str_printf(&whole, "\\A(?:%s)\\z", pattern);
    TRY_CTX(err, regex_new(str_slice(&whole), &r, err), "the pattern of paths '%s'", pattern);
    for (size_t i = 0; i < files->len; i++) {
        struct text_file *f = VEC_AT(files, struct text_file, i);
        bool matches = false;
        rc = rc < 0 ? rc : matches_path(r, f->path, &matches, err);
        if (matches) {
            *VEC_AT(files, struct text_file, kept++) = *f;
        } else {
            mem_free(f->path);
        }
    }
    files->len = kept;
    regex_free(r);
    return rc;
}

void text_files_remember(const struct vec *files, struct map *seen)
{
    for (size_t i = 0; i < files->len; i++) {
        (void)map_put(seen, VEC_AT(files, struct text_file, i)->path, seen);
    }
}

void text_files_fini(struct vec *files)
{
    for (size_t i = 0; i < files->len; i++) {
        mem_free(VEC_AT(files, struct text_file, i)->path);
    }
    vec_fini(files);
}

/* ---- splits ----------------------------------------------------------------------------------------- */

static void add_split(struct vec *splits, uint64_t id_number, const struct text_file *f,
                      uint64_t offset, uint64_t length)
{
    Flinc__FileSplit *s = mem_alloc(sizeof(*s));
    char id[24];

    flinc__file_split__init(s);
    (void)snprintf(id, sizeof(id), "%010llu", (unsigned long long)id_number);
    s->id = mem_strdup(id);
    s->path = mem_strdup(f->path);
    s->offset = offset;
    s->length = length;
    s->file_size = f->size;
    vec_push_ptr(splits, s);
}

/* So that every subtask gets several, within what is worth a request and what keeps a failure cheap. */
static uint64_t choose_split_bytes(const struct vec *files, uint32_t parallelism)
{
    uint64_t total = 0;

    for (size_t i = 0; i < files->len; i++) {
        total += VEC_AT(files, struct text_file, i)->size;
    }
    uint64_t bytes = total / ((uint64_t)parallelism * TEXT_SPLITS_PER_SUBTASK);
    bytes = MAX(bytes, (uint64_t)TEXT_SPLIT_BYTES_MIN);
    return MIN(bytes, (uint64_t)TEXT_SPLIT_BYTES_MAX);
}

void text_files_split(const struct vec *files, uint64_t split_bytes, uint32_t parallelism,
                      uint64_t *inout_next_id, struct vec *ret_splits)
{
    if (split_bytes == 0) {
        split_bytes = choose_split_bytes(files, parallelism);
    }
    for (size_t i = 0; i < files->len; i++) {
        const struct text_file *f = VEC_AT(files, struct text_file, i);
        if (fs_compression_of(f->path) != FS_COMPRESSION_NONE) {
            add_split(ret_splits, (*inout_next_id)++, f, 0, f->size);
            Flinc__FileSplit *whole = vec_ptr(ret_splits, ret_splits->len - 1);
            whole->whole_file = true;
            continue;
        }
        for (uint64_t at = 0; at < f->size; at += split_bytes) {
            add_split(ret_splits, (*inout_next_id)++, f, at, MIN(split_bytes, f->size - at));
        }
    }
}
