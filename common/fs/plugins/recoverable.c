/* Recoverable files of plug-ins; see plugins_internal.h.  A handle carries the plug-in's token as it is. */
#include "common/fs/plugins/plugins_internal.h"

struct plugin_recoverable {
    struct recoverable base;
    const struct fs_plugin *plugin; /* Borrows */
    void *file;                     /* the plug-in's */
};

static struct plugin_recoverable *file_of(struct recoverable *f)
{
    return CONTAINER_OF(f, struct plugin_recoverable, base);
}

static int check_token(const struct fs_plugin *plugin, const char *token, struct error *err)
{
    size_t n = strnlen(token, FLINC_FS_TOKEN_MAX);
    return n > 0 && n < FLINC_FS_TOKEN_MAX
               ? 0
               : plugin_misbehaves(plugin, "the token of an unfinished file is empty or too long",
                                   err);
}

static struct recoverable *file_new(const struct fs_plugin *plugin, const struct fs_location *at,
                                    const char *token, uint64_t length, void *file)
{
    struct plugin_recoverable *f = MEM_NEW(struct plugin_recoverable);
    struct str uri = STR_INIT;
    fs_location_format(at, &uri);
    f->base = (struct recoverable){
        .ops = &recoverable_ops_plugin,
        .target_uri = str_take(&uri),
        .inprogress = mem_strdup(token),
        .length_bytes = length,
    };
    f->plugin = plugin;
    f->file = file;
    return &f->base;
}

static int file_open(const struct fs_location *target, struct recoverable **ret_file,
                     struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(target);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    char token[FLINC_FS_TOKEN_MAX] = "";
    void *file = NULL;
    plugin_path_init(&p, target);
    int code = plugin->table.recoverable_open(plugin->fs, &p.path, token, &file, &why);
    TRY(plugin_result(plugin, code, &why, "beginning", p.path.uri, err));
    int rc = check_token(plugin, token, err);
    if (rc < 0) {
        plugin->table.recoverable_close(file);
        return rc;
    }
    *ret_file = file_new(plugin, target, token, 0, file);
    return 0;
}

static int file_recover(const struct recoverable_handle *h, struct recoverable **ret_file,
                        struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    void *file = NULL;
    TRY(fs_location_parse(h->target_uri, &at, err));
    const struct fs_plugin *plugin = plugin_of(&at);
    plugin_path_init(&p, &at);
    int code = plugin->table.recoverable_recover(plugin->fs, &p.path, h->inprogress,
                                                 h->length_bytes, &file, &why);
    TRY(plugin_result(plugin, code, &why, "going on with", p.path.uri, err));
    *ret_file = file_new(plugin, &at, h->inprogress, h->length_bytes, file);
    return 0;
}

static int file_write(struct recoverable *f, const void *data, size_t size, struct error *err)
{
    struct plugin_recoverable *pf = file_of(f);
    flinc_fs_error why = {{0}};
    int code = pf->plugin->table.recoverable_write(pf->file, data, size, &why);
    return plugin_result(pf->plugin, code, &why, "writing", f->target_uri, err);
}

static int file_sync(struct recoverable *f, struct error *err)
{
    struct plugin_recoverable *pf = file_of(f);
    flinc_fs_error why = {{0}};
    char token[FLINC_FS_TOKEN_MAX] = "";
    (void)snprintf(token, sizeof(token), "%s", f->inprogress);
    int code = pf->plugin->table.recoverable_persist(pf->file, token, &why);
    TRY(plugin_result(pf->plugin, code, &why, "persisting", f->target_uri, err));
    TRY(check_token(pf->plugin, token, err));
    mem_free(f->inprogress);
    f->inprogress = mem_strdup(token);
    return 0;
}

static void file_close(struct recoverable *f)
{
    struct plugin_recoverable *pf = file_of(f);
    pf->plugin->table.recoverable_close(pf->file);
    mem_free(f->target_uri);
    mem_free(f->inprogress);
    mem_free(pf);
}

static int file_commit(const struct recoverable_handle *h, enum recoverable_commit_mode mode,
                       struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    TRY(fs_location_parse(h->target_uri, &at, err));
    const struct fs_plugin *plugin = plugin_of(&at);
    plugin_path_init(&p, &at);
    int code = plugin->table.recoverable_commit(
        plugin->fs, &p.path, h->inprogress, h->length_bytes,
        mode == RECOVERABLE_COMMIT_FIRST ? FLINC_FS_COMMIT_FIRST : FLINC_FS_COMMIT_AGAIN, &why);
    return plugin_result(plugin, code, &why, "committing", p.path.uri, err);
}

static int file_cleanup(const struct recoverable_handle *h, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    TRY(fs_location_parse(h->target_uri, &at, err));
    const struct fs_plugin *plugin = plugin_of(&at);
    plugin_path_init(&p, &at);
    int code = plugin->table.recoverable_cleanup(plugin->fs, &p.path, h->inprogress, &why);
    return plugin_result(plugin, code, &why, "deleting what is unfinished of", p.path.uri, err);
}

const struct recoverable_ops recoverable_ops_plugin = {
    .open = file_open,
    .recover = file_recover,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .commit = file_commit,
    .cleanup = file_cleanup,
};
