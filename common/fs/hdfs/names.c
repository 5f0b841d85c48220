/* What lies where: status, listings, folders, renames, deletions.  Thread: any. */
#include "common/fs/hdfs/inside.h"

#include "common/base/failpoint.h"

#include <stdio.h>

/* ---- answers ------------------------------------------------------------------------------------------------ */

/* One that has no words for people. */
static int refuse_answer(const struct hdfs_call *call, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s %s%s: %s answered what is no answer to %s", call->doing,
                     call->site->name, call->path, call->site->nodes[call->node], call->op);
}

static int read_status(const struct hdfs_call *call, const struct json_node *node,
                       const char **ret_name, struct fs_status *ret, struct error *err)
{
    const char *type = NULL, *name = "";
    int64_t length = 0, modified = 0;
    if (node == NULL || json_node_type(node) != JSON_TYPE_OBJECT ||
        json_member_string(node, "type", JSON_REQUIRED, &type, NULL) < 0 ||
        json_member_string(node, "pathSuffix", JSON_OPTIONAL, &name, NULL) < 0 ||
        json_member_int(node, "length", JSON_OPTIONAL, &length, NULL) < 0 ||
        json_member_int(node, "modificationTime", JSON_OPTIONAL, &modified, NULL) < 0 ||
        length < 0) {
        return refuse_answer(call, err);
    }
    *ret = (struct fs_status){.kind = strcmp(type, "FILE") == 0        ? FS_KIND_FILE
                                      : strcmp(type, "DIRECTORY") == 0 ? FS_KIND_DIRECTORY
                                      : strcmp(type, "SYMLINK") == 0   ? FS_KIND_SYMLINK
                                                                       : FS_KIND_OTHER,
                              .size_bytes = (uint64_t)length,
                              .modified_ms = modified,
                              .is_link = strcmp(type, "SYMLINK") == 0};
    *ret_name = name;
    return 0;
}

/* {"boolean":true}; 1, 0, or -1: it says neither (an empty answer is all that some operations have). */
static int answer_bool(const struct hdfs_call *call)
{
    JSON_AUTO root = NULL;
    bool value = false;
    if (json_parse(str_slice(&call->x.answer), NULL, &root, NULL) < 0 ||
        json_node_type(root) != JSON_TYPE_OBJECT ||
        json_member_bool(root, "boolean", JSON_REQUIRED, &value, NULL) < 0) {
        return -1;
    }
    return value;
}

/* ---- status ---------------------------------------------------------------------------------------------------- */

int hdfs_stat_path(const struct hdfs_place *place, const char *path, struct fs_status *ret_status,
                   struct error *err)
{
    struct hdfs_call call = {.site = place->site,
                             .method = "GET",
                             .op = "GETFILESTATUS",
                             .path = path,
                             .kind = REMOTE_KIND_STAT,
                             .doing = "looking at"};
    JSON_AUTO root = NULL;
    const char *name;
    int rc = hdfs_call_run(place->fs->client, &call, err);
    rc = rc == 0 ? hdfs_call_json(&call, &root, err) : rc;
    if (rc == 0) {
        rc = read_status(&call, json_node_find(root, "FileStatus"), &name, ret_status, err);
    }
    hdfs_call_fini(&call);
    return rc;
}

int hdfs_stat(const struct fs_location *at, struct fs_status *ret_status, struct error *err)
{
    struct hdfs_place place;
    TRY(hdfs_place_of(at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.stat"));
    return hdfs_stat_path(&place, at->path, ret_status, err);
}

/* ---- listings ---------------------------------------------------------------------------------------------------- */

/* A listing under way, page by page. */
struct pages {
    const struct hdfs_place *place; /* Borrows */
    const char *path;
    struct str after; /* Owns; the last name of the page before; the listing begins behind it */
    bool is_paged;    /* the server knows LISTSTATUS_BATCH */
    /* Each entry; negative ends the listing, 1 ends it well. */
    int (*on_entry)(void *arg, const char *name, const struct fs_status *status, struct error *err);
    void *arg;
};

static int read_entries(struct pages *p, const struct hdfs_call *call,
                        const struct json_node *statuses, struct error *err)
{
    const struct json_node *list = statuses != NULL && json_node_type(statuses) == JSON_TYPE_OBJECT
                                       ? json_node_find(statuses, "FileStatus")
                                       : NULL;
    if (list == NULL || json_node_type(list) != JSON_TYPE_ARRAY) {
        return refuse_answer(call, err);
    }
    for (size_t i = 0; i < json_node_count(list); i++) {
        struct fs_status status;
        const char *name;
        TRY(read_status(call, json_node_at(list, i), &name, &status, err));
        str_clear(&p->after);
        str_append_cstr(&p->after, name);
        int rc = p->on_entry(p->arg, name, &status, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* One page; *ret_more: how many are left. */
static int read_page(struct pages *p, const struct hdfs_call *call, int64_t *ret_more,
                     struct error *err)
{
    JSON_AUTO root = NULL;
    *ret_more = 0;
    TRY(hdfs_call_json(call, &root, err));
    const struct json_node *listing = json_node_find(root, "DirectoryListing");
    if (!p->is_paged || listing == NULL) { /* a server that ignores how it was asked */
        return read_entries(p, call, json_node_find(root, "FileStatuses"), err);
    }
    if (json_node_type(listing) != JSON_TYPE_OBJECT ||
        json_member_int(listing, "remainingEntries", JSON_REQUIRED, ret_more, NULL) < 0) {
        return refuse_answer(call, err);
    }
    const struct json_node *part = json_node_find(listing, "partialListing");
    if (part == NULL || json_node_type(part) != JSON_TYPE_OBJECT) {
        return refuse_answer(call, err);
    }
    size_t before = p->after.len;
    int rc = read_entries(p, call, json_node_find(part, "FileStatuses"), err);
    if (rc == 0 && *ret_more > 0 && p->after.len == 0 && before == 0) {
        return refuse_answer(call, err); /* it would go on for ever */
    }
    return rc;
}

static int list_page(struct pages *p, int64_t *ret_more, struct error *err)
{
    STR_AUTO after = STR_INIT;
    struct error why = ERROR_INIT;
    str_append_slice(&after, str_slice(&p->after));
    struct hdfs_call call = {.site = p->place->site,
                             .method = "GET",
                             .op = p->is_paged ? "LISTSTATUS_BATCH" : "LISTSTATUS",
                             .path = p->path,
                             .kind = REMOTE_KIND_LIST,
                             .doing = "listing"};
    if (p->is_paged && after.len > 0) {
        hdfs_call_add(&call, "startAfter", str_cstr(&after));
    }
    *ret_more = 0;
    int rc = hdfs_call_run(p->place->fs->client, &call, &why);
    rc = rc == 0 ? read_page(p, &call, ret_more, &why) : rc;
    bool is_old = rc < 0 && call.x.code == 0 && (call.x.status == 400 || call.x.status == 501);
    hdfs_call_fini(&call);
    if (is_old && p->is_paged) { /* Hadoop before 2.8, and some gateways */
        p->is_paged = false;
        *ret_more = 1;
        return 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

static int list_pages(struct pages *p, struct error *err)
{
    int64_t more = 0;
    int rc;
    p->is_paged = true;
    do {
        rc = list_page(p, &more, err);
    } while (rc == 0 && more > 0);
    str_fini(&p->after);
    return MIN(rc, 0);
}

struct listing {
    const struct fs_location *at;
    struct fs_list *list;
};

static int on_listed(void *arg, const char *name, const struct fs_status *status, struct error *err)
{
    struct listing *l = arg;
    STR_AUTO uri = STR_INIT;
    STR_AUTO path = STR_INIT;
    fs_location_format(l->at, &uri);
    if (name[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is a file, not a folder", str_cstr(&uri));
    }
    TRY(fs_join(str_cstr(&uri), name, &path, err));
    return fs_list_add(l->list, name, str_cstr(&path), status, err);
}

int hdfs_list(const struct fs_location *at, struct fs_list *ret_list, struct error *err)
{
    struct hdfs_place place;
    struct listing l = {at, ret_list};
    TRY(hdfs_place_of(at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.list"));
    return list_pages(
        &(struct pages){.place = &place, .path = at->path, .on_entry = on_listed, .arg = &l}, err);
}

struct beginning {
    const char *prefix;
    struct vec names; /* char *, Own */
};

/* Names come in order where pages are known: behind those that fit there are no more. */
static int on_beginning(void *arg, const char *name, const struct fs_status *status,
                        struct error *err)
{
    struct beginning *b = arg;
    if (cstr_starts_with(name, b->prefix)) {
        vec_push_ptr(&b->names, mem_strdup(name));
        return 0;
    }
    return strcmp(name, b->prefix) > 0;
}

void hdfs_remove_beginning(const struct hdfs_place *place, const char *path_prefix)
{
    const char *name = fs_base_name(path_prefix);
    STR_AUTO folder = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct beginning b = {.prefix = name};
    vec_init(&b.names, sizeof(char *));
    str_append(&folder, path_prefix, (size_t)(name - path_prefix));
    if (folder.len > 1) {
        folder.data[--folder.len] = '\0';
    }
    struct pages p = {
        .place = place, .path = str_cstr(&folder), .on_entry = on_beginning, .arg = &b};
    str_append_cstr(&p.after, name);
    (void)!list_pages(&p, NULL); /* nothing refers to them */
    for (size_t i = 0; i < b.names.len; i++) {
        char *one = vec_ptr(&b.names, i);
        str_clear(&path);
        str_printf(&path, "%s%s%s", str_cstr(&folder), folder.len > 1 ? "/" : "", one);
        (void)!hdfs_remove_path(place, str_cstr(&path), FS_DELETE_ONE, NULL);
        mem_free(one);
    }
    vec_fini(&b.names);
}

/* ---- folders and deletions ------------------------------------------------------------------------------------------ */

int hdfs_mkdirs(const struct fs_location *at, struct error *err)
{
    struct hdfs_place place;
    TRY(hdfs_place_of(at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.mkdirs"));
    struct hdfs_call call = {.site = place.site,
                             .method = "PUT",
                             .op = "MKDIRS",
                             .path = at->path,
                             .kind = REMOTE_KIND_WRITE,
                             .doing = "making the folder"};
    int rc = hdfs_call_run(place.fs->client, &call, err);
    if (rc == 0 && answer_bool(&call) != 1) {
        rc = error_set(err, ERR_IO, "making the folder %s%s: the name node did not",
                       place.site->name, at->path);
    }
    hdfs_call_fini(&call);
    return rc;
}

int hdfs_remove_path(const struct hdfs_place *place, const char *path, enum fs_delete_mode mode,
                     struct error *err)
{
    struct hdfs_call call = {.site = place->site,
                             .method = "DELETE",
                             .op = "DELETE",
                             .path = path,
                             .kind = REMOTE_KIND_DELETE,
                             .doing = "deleting"};
    hdfs_call_add(&call, "recursive", mode == FS_DELETE_RECURSIVE ? "true" : "false");
    int rc = hdfs_call_run(place->fs->client, &call, err);
    if (rc == 0 && answer_bool(&call) == 0 && !call.is_uncertain) {
        rc = error_set(err, ERR_NOT_FOUND, "deleting %s%s: it is not there", place->site->name,
                       path);
    } else if (rc == ERR_NOT_FOUND && call.is_uncertain) {
        rc = 0; /* an earlier try did it */
    }
    hdfs_call_fini(&call);
    return rc;
}

int hdfs_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err)
{
    struct hdfs_place place;
    TRY(hdfs_place_of(at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.delete"));
    return hdfs_remove_path(&place, at->path, mode, err);
}

/* ---- renames ----------------------------------------------------------------------------------------------------------- */

static int rename_once(const struct hdfs_place *place, const char *from, const char *to,
                       enum fs_write_mode mode, int *ret_bool, struct error *err)
{
    struct hdfs_call call = {.site = place->site,
                             .method = "PUT",
                             .op = "RENAME",
                             .path = from,
                             .kind = REMOTE_KIND_COPY,
                             .doing = "renaming"};
    struct error why = ERROR_INIT;
    struct fs_status status;
    hdfs_call_add(&call, "destination", to);
    hdfs_call_add(&call, "renameoptions", mode == FS_OVERWRITE ? "OVERWRITE" : "NONE");
    int rc = hdfs_call_run(place->fs->client, &call, &why);
    *ret_bool = rc == 0 ? answer_bool(&call) : -1;
    bool is_uncertain = call.is_uncertain;
    hdfs_call_fini(&call);
    /* An earlier try did it, when nothing is left of the old name. */
    if (is_uncertain && (rc == ERR_NOT_FOUND || rc == ERR_ALREADY_EXISTS || *ret_bool == 0) &&
        hdfs_stat_path(place, from, &status, NULL) == ERR_NOT_FOUND &&
        hdfs_stat_path(place, to, &status, NULL) == 0) {
        *ret_bool = 1;
        return 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

/* HttpFS knows no options: what is in the way is deleted first. */
static int rename_over(const struct hdfs_place *place, const char *from, const char *to,
                       struct error *err)
{
    int said = 0;
    int rc = hdfs_remove_path(place, to, FS_DELETE_ONE, err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return rc;
    }
    TRY(rename_once(place, from, to, FS_OVERWRITE, &said, err));
    return said != 0 ? 0
                     : error_set(err, ERR_IO, "renaming %s%s to %s: the server did not",
                                 place->site->name, from, to);
}

int hdfs_rename_path(const struct hdfs_place *place, const char *from, const char *to,
                     enum fs_write_mode mode, struct error *err)
{
    struct fs_status status;
    int said = 0;
    TRY(rename_once(place, from, to, mode, &said, err));
    if (said != 0) { /* done; the name node's answer to a rename with options is empty */
        return 0;
    }
    TRY(hdfs_stat_path(place, from, &status, err));
    int there = hdfs_stat_path(place, to, &status, err);
    if (there == 0 && mode == FS_CREATE_NEW) {
        return error_set(err, ERR_ALREADY_EXISTS, "%s%s is there already", place->site->name, to);
    }
    if (there == 0 && status.kind == FS_KIND_FILE) {
        return rename_over(place, from, to, err);
    }
    return error_set(err, there == 0 ? ERR_INVALID_ARGUMENT : ERR_NOT_FOUND,
                     "renaming %s%s to %s: %s", place->site->name, from, to,
                     there == 0 ? "a folder is there"
                                : "the folder that it is to be in is missing");
}

int hdfs_rename(const struct fs_location *from, const struct fs_location *to, struct error *err)
{
    struct hdfs_place place;
    TRY(hdfs_place_of(from, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.rename"));
    return hdfs_rename_path(&place, from->path, to->path, FS_OVERWRITE, err);
}
