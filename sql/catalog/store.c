/* See store.h. */
#include "sql/catalog/store.h"
#include "common/base/failpoint.h"
#include "common/base/map.h"
#include "common/fs/fs.h"
#include "common/text/yaml.h"
#include <stdlib.h>
#include <unistd.h>

struct sql_catalog_store {
    char *folder;    /* Owns; of kind file; NULL: in memory */
    struct map kept; /* in memory: struct sql_entity by name */
};

#define SUFFIX ".yaml"
#define COMMENT_LINE "# comment: "

static void free_entity(void *e)
{
    sql_entity_unref(e);
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int check_folder(const char *path, struct error *err)
{
    struct fs_status status;
    int has_folders = fs_has_folders(path, err);
    TRY_CTX(err, has_folders, "opening the catalog store at table.catalog-store.file.path");
    if (has_folders == 0) {
        return 0;
    }
    int rc = fs_stat(path, &status, err);
    if (rc == ERR_NOT_FOUND) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Failed to open catalog store. The catalog store directory %s does not "
                         "exist: make it, or set table.catalog-store.file.path.",
                         path);
    }
    TRY_CTX(err, rc, "opening the catalog store at table.catalog-store.file.path");
    if (status.kind != FS_KIND_DIRECTORY) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Failed to open catalog store. The given catalog store path %s is not a "
                         "directory (table.catalog-store.file.path).",
                         path);
    }
    return 0;
}

int sql_catalog_store_open(const char *kind, const char *path, struct sql_catalog_store **ret,
                           struct error *err)
{
    static const char *const kinds[] = {"generic_in_memory", "file"};
    bool is_file = kind != NULL && strcmp(kind, kinds[1]) == 0;
    if (kind != NULL && !is_file && strcmp(kind, kinds[0]) != 0) {
        const char *nearest = cstr_nearest(kind, kinds, ARRAY_LEN(kinds));
        return error_set(err, ERR_INVALID_CONFIG,
                         "table.catalog-store.kind is '%s': it can be generic_in_memory or file.%s"
                         "%s%s",
                         kind, nearest != NULL ? " Did you mean '" : "",
                         nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
    }
    if (is_file && (path == NULL || path[0] == '\0')) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "A catalog store of kind file needs table.catalog-store.file.path, the "
                         "folder of its files");
    }
    TRY(is_file ? check_folder(path, err) : 0);
    struct sql_catalog_store *s = MEM_NEW(struct sql_catalog_store);
    s->folder = is_file ? mem_strdup(path) : NULL;
    map_init(&s->kept, free_entity);
    *ret = s;
    return 0;
}

struct sql_catalog_store *sql_catalog_store_close(struct sql_catalog_store *s)
{
    if (s != NULL) {
        map_fini(&s->kept);
        mem_free(s->folder);
        mem_free(s);
    }
    return NULL;
}

/* ---- files --------------------------------------------------------------------------------------------- */

/* A name that is a name of a file, too. */
static int check_name(const char *name, struct error *err)
{
    if (name[0] == '.' || name[0] == '\0' || strchr(name, '/') != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "A catalog cannot be called '%s' in a catalog store of files, which are "
                         "named as the catalogs (table.catalog-store.kind: file)",
                         name);
    }
    return 0;
}

static int path_of(const struct sql_catalog_store *s, const char *name, struct str *out,
                   struct error *err)
{
    STR_AUTO file = STR_INIT;
    str_printf(&file, "%s" SUFFIX, name);
    return fs_join(s->folder, str_cstr(&file), out, err);
}

static int read_file(const char *path, struct str *out, struct error *err)
{
    struct fs_input *in = NULL;
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    uint64_t size = fs_input_size(in);
    int rc = 0;
    if (size > SQL_CATALOG_FILE_MAX) {
        rc = error_set(err, ERR_TOO_LARGE, "%s has more than %d bytes, it is no catalog", path,
                       SQL_CATALOG_FILE_MAX);
    }
    while (rc == 0 && out->len < size) {
        size_t n = 0;
        str_reserve(out, size - out->len + 1);
        rc = fs_input_read_at(in, out->len, out->data + out->len, size - out->len, &n, err);
        out->len += rc == 0 ? n : 0;
        if (rc == 0 && n == 0) {
            break; /* it has become shorter */
        }
    }
    if (out->data != NULL) {
        out->data[out->len] = '\0';
    }
    fs_input_close(in);
    return rc;
}

static int damaged(const char *path, int line, const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s:%d: %s; a catalog's file is a map of its options", path,
                     line, what);
}

/* The first line may be the comment, a YAML string. */
static void read_comment(struct slice text, struct sql_entity *e)
{
    struct yaml_document document;
    struct slice line;
    if (!slice_starts_with(text, COMMENT_LINE) || !slice_next(&text, '\n', &line)) {
        return;
    }
    line = slice_make(line.data + strlen(COMMENT_LINE), line.len - strlen(COMMENT_LINE));
    if (yaml_parse(line, "comment", NULL, &document, NULL) == 0) {
        if (document.root != NULL && document.root->type == YAML_TYPE_SCALAR) {
            e->comment = arena_strdup(&e->arena, document.root->text);
        }
        yaml_document_fini(&document);
    }
}

static int read_options(const struct yaml_node *root, const char *path, struct sql_entity *e,
                        struct error *err)
{
    if (root == NULL) {
        return 0;
    }
    if (root->type != YAML_TYPE_MAP) {
        return damaged(path, root->line, "this is no map", err);
    }
    for (size_t i = 0; i < root->n; i++) {
        const struct yaml_node *value = root->entries[i].value;
        if (value->type != YAML_TYPE_SCALAR) {
            return damaged(path, value->line, "a value is no text", err);
        }
        sql_options_put(&e->options, &e->arena, slice_cstr(root->entries[i].key),
                        slice_cstr(value->text));
    }
    return 0;
}

static int get_file(const struct sql_catalog_store *s, const char *name, struct sql_entity **ret,
                    struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO text = STR_INIT;
    struct yaml_document document;
    TRY(check_name(name, err));
    TRY(path_of(s, name, &path, err));
    TRY(read_file(str_cstr(&path), &text, err));
    struct sql_entity *e = sql_entity_new(SQL_OBJECT_CATALOG);
    read_comment(str_slice(&text), e);
    int rc = yaml_parse(str_slice(&text), str_cstr(&path), NULL, &document, err);
    if (rc == 0) {
        rc = read_options(document.root, str_cstr(&path), e, err);
        yaml_document_fini(&document);
    }
    if (rc < 0) {
        sql_entity_unref(e);
        return rc == ERR_PARSE ? ERR_CORRUPT : rc;
    }
    *ret = e;
    return 0;
}

/* A YAML string in double quotes. */
static void print_text(const char *text, struct str *out)
{
    str_append_char(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            str_printf(out, "\\%c", *p);
        } else if (*p < 0x20 || *p == 0x7f) {
            str_printf(out, "\\x%02x", *p);
        } else {
            str_append_char(out, (char)*p);
        }
    }
    str_append_char(out, '"');
}

static void print_catalog(const struct sql_entity *e, struct str *out)
{
    if (e->comment != NULL) {
        str_append_cstr(out, COMMENT_LINE);
        print_text(e->comment, out);
        str_append_char(out, '\n');
    }
    for (uint32_t i = 0; i < e->options.n; i++) {
        print_text(e->options.items[i].key, out);
        str_append_cstr(out, ": ");
        print_text(e->options.items[i].value, out);
        str_append_char(out, '\n');
    }
    if (e->options.n == 0) {
        str_append_cstr(out, "{}\n");
    }
}

static int write_file(const char *path, const struct str *text, struct error *err)
{
    struct fs_output *out = NULL;
    TRY(FAILPOINT(err, "catalog_store.write"));
    TRY(fs_create(path, FS_OVERWRITE, &out, err));
    int rc = fs_output_write(out, text->data, text->len, err);
    rc = rc < 0 ? rc : fs_output_sync(out, err);
    if (rc < 0) {
        fs_output_abandon(out);
        return rc;
    }
    return fs_output_close(&out, err);
}

/* Whole under a hidden name, then renamed, where files are seen while they are written. */
static int put_file(struct sql_catalog_store *s, const char *name, const struct sql_entity *e,
                    struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO hidden = STR_INIT;
    STR_AUTO file = STR_INIT;
    STR_AUTO text = STR_INIT;
    TRY(check_name(name, err));
    TRY(path_of(s, name, &path, err));
    print_catalog(e, &text);
    int is_whole = fs_hides_unfinished(str_cstr(&path), err);
    TRY(is_whole);
    if (is_whole > 0) {
        return write_file(str_cstr(&path), &text, err);
    }
    str_printf(&file, ".%s" SUFFIX ".%d", name, (int)getpid());
    TRY(fs_join(s->folder, str_cstr(&file), &hidden, err));
    int rc = write_file(str_cstr(&hidden), &text, err);
    rc = rc < 0 ? rc : FAILPOINT(err, "catalog_store.before_rename");
    rc = rc < 0 ? rc : fs_rename(str_cstr(&hidden), str_cstr(&path), err);
    if (rc < 0) {
        int ignored = fs_delete(str_cstr(&hidden), FS_DELETE_ONE, NULL);
        (void)ignored;
        return rc;
    }
    return fs_sync_folder(s->folder, err);
}

static int list_files(const struct sql_catalog_store *s, struct text_list *ret, struct error *err)
{
    struct fs_list files = FS_LIST_INIT;
    TRY(fs_list_dir(s->folder, &files, err));
    for (size_t i = 0; i < files.n; i++) {
        struct slice name = slice_cstr(files.entries[i].name);
        if (files.entries[i].status.kind == FS_KIND_FILE && name.data[0] != '.' &&
            slice_ends_with(name, SUFFIX) && name.len > strlen(SUFFIX)) {
            text_list_add(ret, slice_make(name.data, name.len - strlen(SUFFIX)));
        }
    }
    fs_list_fini(&files);
    return 0;
}

/* ---- both kinds ---------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int sql_catalog_store_list(const struct sql_catalog_store *s, struct text_list *ret,
                           struct error *err)
{
    if (s->folder != NULL) {
        TRY_CTX(err, list_files(s, ret, err), "listing the catalog store %s", s->folder);
    } else {
        MAP_FOREACH (&s->kept, e) {
            text_list_add(ret, slice_cstr(e->key));
        }
    }
    if (ret->n > 1) {
        qsort(ret->items, ret->n, sizeof(*ret->items), compare_names);
    }
    return 0;
}

int sql_catalog_store_get(const struct sql_catalog_store *s, const char *name,
                          struct sql_entity **ret, struct error *err)
{
    if (s->folder != NULL) {
        TRY_CTX(err, get_file(s, name, ret, err), "loading catalog %s of the catalog store", name);
        return 0;
    }
    struct sql_entity *e = map_find(&s->kept, name);
    if (e == NULL) {
        return error_set(err, ERR_NOT_FOUND, "Catalog %s does not exist in the catalog store.",
                         name);
    }
    *ret = sql_entity_ref(e);
    return 0;
}

int sql_catalog_store_put(struct sql_catalog_store *s, const char *name, const struct sql_entity *e,
                          struct error *err)
{
    if (s->folder != NULL) {
        TRY_CTX(err, put_file(s, name, e, err), "writing catalog %s to the catalog store %s", name,
                s->folder);
        return 0;
    }
    map_put(&s->kept, name, sql_entity_ref(e));
    return 0;
}

int sql_catalog_store_remove(struct sql_catalog_store *s, const char *name, struct error *err)
{
    STR_AUTO path = STR_INIT;
    if (s->folder == NULL) {
        map_remove(&s->kept, name);
        return 0;
    }
    TRY(check_name(name, err));
    TRY(path_of(s, name, &path, err));
    TRY_CTX(err, fs_delete(str_cstr(&path), FS_DELETE_ONE, err),
            "removing catalog %s from the catalog store %s", name, s->folder);
    return 0;
}
