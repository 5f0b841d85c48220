/* A driver's calls handed to a plug-in, its answers checked; see plugins_internal.h. */
#include "common/fs/plugins/plugins_internal.h"

/* ---- errors --------------------------------------------------------------------------------------- */

static int code_of(int code)
{
    switch (code) {
    case FLINC_FS_NOT_FOUND:
        return ERR_NOT_FOUND;
    case FLINC_FS_ALREADY_EXISTS:
        return ERR_ALREADY_EXISTS;
    case FLINC_FS_PERMISSION:
        return ERR_PERMISSION;
    case FLINC_FS_INVALID:
        return ERR_INVALID_ARGUMENT;
    case FLINC_FS_UNSUPPORTED:
        return ERR_UNSUPPORTED;
    case FLINC_FS_NO_SPACE:
        return ERR_NO_SPACE;
    case FLINC_FS_UNAVAILABLE:
        return ERR_UNAVAILABLE;
    case FLINC_FS_TIMEOUT:
        return ERR_TIMEOUT;
    case FLINC_FS_CORRUPT:
        return ERR_CORRUPT;
    case FLINC_FS_TOO_LARGE:
        return ERR_TOO_LARGE;
    default:
        return ERR_IO;
    }
}

int plugin_result(const struct fs_plugin *plugin, int code, const flinc_fs_error *why,
                  const char *doing, const char *what, struct error *err)
{
    if (code == FLINC_FS_OK) {
        return 0;
    }
    size_t n = strnlen(why->message, sizeof(why->message));
    if (n == 0) {
        return error_set(err, code_of(code), "%s %s failed (the plug-in %s says no more)", doing,
                         what, plugin->table.name);
    }
    return error_set(err, code_of(code), "%s %s: %.*s (plug-in %s)", doing, what, (int)n,
                     why->message, plugin->table.name);
}

int plugin_misbehaves(const struct fs_plugin *plugin, const char *how, struct error *err)
{
    return error_set(err, ERR_INTERNAL, "the plug-in %s (%s) does not keep to its contract: %s",
                     plugin->table.name, plugin->path, how);
}

/* ---- locations ------------------------------------------------------------------------------------ */

struct fs_plugin *plugin_of(const struct fs_location *at)
{
    return CONTAINER_OF(at->driver, struct plugin_driver, driver)->plugin;
}

void plugin_path_init(struct plugin_path *p, const struct fs_location *at)
{
    p->uri = (struct str)STR_INIT;
    fs_location_format(at, &p->uri);
    p->path = (flinc_fs_path){
        .struct_size = sizeof(p->path),
        .scheme = at->scheme,
        .authority = at->authority,
        .path = at->path,
        .uri = str_cstr(&p->uri),
    };
}

void plugin_path_fini(struct plugin_path *p)
{
    str_fini(&p->uri);
}

/* ---- reading -------------------------------------------------------------------------------------- */

struct plugin_input {
    struct fs_input base;
    const struct fs_plugin *plugin; /* Borrows */
    void *file;                     /* the plug-in's */
};

static int input_read_at(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                         size_t *ret_n, struct error *err)
{
    struct plugin_input *i = CONTAINER_OF(in, struct plugin_input, base);
    flinc_fs_error why = {{0}};
    size_t n = 0;
    int code = i->plugin->table.read_at(i->file, offset, buf, size, &n, &why);
    TRY(plugin_result(i->plugin, code, &why, "reading", in->path, err));
    if (n > size) {
        return plugin_misbehaves(i->plugin, "it read more than was asked for", err);
    }
    *ret_n = n;
    return 0;
}

static void input_close(struct fs_input *in)
{
    struct plugin_input *i = CONTAINER_OF(in, struct plugin_input, base);
    i->plugin->table.close(i->file);
    mem_free(in->path);
    mem_free(i);
}

static const struct fs_input_ops input_ops = {.read_at = input_read_at, .close = input_close};

static int driver_open(const struct fs_location *at, enum fs_access access,
                       struct fs_input **ret_input, struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(at);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    void *file = NULL;
    uint64_t size = 0;
    (void)access;
    plugin_path_init(&p, at);
    int code = plugin->table.open(plugin->fs, &p.path, &file, &size, &why);
    TRY(plugin_result(plugin, code, &why, "opening", p.path.uri, err));
    struct plugin_input *i = MEM_NEW(struct plugin_input);
    i->base = (struct fs_input){.ops = &input_ops, .path = str_take(&p.uri), .size_bytes = size};
    i->plugin = plugin;
    i->file = file;
    *ret_input = &i->base;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------------- */

struct plugin_output {
    struct fs_output base;
    const struct fs_plugin *plugin; /* Borrows */
    void *output;                   /* the plug-in's */
    struct str buffer;              /* not handed over yet */
};

static struct plugin_output *output_of(struct fs_output *out)
{
    return CONTAINER_OF(out, struct plugin_output, base);
}

static int write_down(struct plugin_output *o, const void *data, size_t size, struct error *err)
{
    flinc_fs_error why = {{0}};
    int code = o->plugin->table.write(o->output, data, size, &why);
    return plugin_result(o->plugin, code, &why, "writing", o->base.path, err);
}

static int output_flush(struct fs_output *out, struct error *err)
{
    struct plugin_output *o = output_of(out);
    if (o->buffer.len > 0) {
        TRY(write_down(o, o->buffer.data, o->buffer.len, err));
        str_clear(&o->buffer);
    }
    return 0;
}

static int output_write(struct fs_output *out, const void *data, size_t size, struct error *err)
{
    struct plugin_output *o = output_of(out);
    const char *rest = data;
    if (o->buffer.len + size >= FS_OUTPUT_BUFFER_BYTES) {
        if (o->buffer.len > 0) { /* filled up, so that no piece is smaller */
            size_t more = MIN(size, (size_t)FS_OUTPUT_BUFFER_BYTES);
            str_append(&o->buffer, rest, more);
            TRY(output_flush(out, err));
            rest += more;
            size -= more;
        }
        if (size >= FS_OUTPUT_BUFFER_BYTES) {
            return write_down(o, rest, size, err);
        }
    }
    str_append(&o->buffer, rest, size);
    return 0;
}

static int output_sync(struct fs_output *out, struct error *err)
{
    struct plugin_output *o = output_of(out);
    flinc_fs_error why = {{0}};
    TRY(output_flush(out, err));
    return plugin_result(o->plugin, o->plugin->table.sync(o->output, &why), &why, "syncing",
                         out->path, err);
}

static void output_free(struct plugin_output *o)
{
    str_fini(&o->buffer);
    mem_free(o->base.path);
    mem_free(o);
}

static void output_abandon(struct fs_output *out)
{
    struct plugin_output *o = output_of(out);
    o->plugin->table.abandon(o->output);
    output_free(o);
}

static int output_close(struct fs_output *out, struct error *err)
{
    struct plugin_output *o = output_of(out);
    flinc_fs_error why = {{0}};
    int rc = output_flush(out, err);
    if (rc < 0) {
        output_abandon(out);
        return rc;
    }
    rc = plugin_result(o->plugin, o->plugin->table.finish(o->output, &why), &why, "closing",
                       out->path, err);
    output_free(o);
    return rc;
}

static const struct fs_output_ops output_ops = {
    .write = output_write,
    .flush = output_flush,
    .sync = output_sync,
    .close = output_close,
    .abandon = output_abandon,
};

static int driver_create(const struct fs_location *at, enum fs_write_mode mode,
                         struct fs_output **ret_output, struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(at);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    void *output = NULL;
    plugin_path_init(&p, at);
    int code = plugin->table.create(
        plugin->fs, &p.path, mode == FS_CREATE_NEW ? FLINC_FS_CREATE_NEW : FLINC_FS_OVERWRITE,
        &output, &why);
    TRY(plugin_result(plugin, code, &why, "creating", p.path.uri, err));
    struct plugin_output *o = MEM_NEW(struct plugin_output);
    o->base = (struct fs_output){.ops = &output_ops, .path = str_take(&p.uri)};
    o->plugin = plugin;
    o->output = output;
    *ret_output = &o->base;
    return 0;
}

/* ---- names ---------------------------------------------------------------------------------------- */

static struct fs_status status_of(const flinc_fs_status *s)
{
    return (struct fs_status){
        .kind = s->kind == FLINC_FS_FOLDER ? FS_KIND_DIRECTORY : FS_KIND_FILE,
        .size_bytes = s->size_bytes,
        .modified_ms = s->modified_ms,
    };
}

static int driver_stat(const struct fs_location *at, struct fs_status *ret_status,
                       struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(at);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    flinc_fs_status status = {.struct_size = sizeof(status)};
    plugin_path_init(&p, at);
    int code = plugin->table.stat(plugin->fs, &p.path, &status, &why);
    TRY(plugin_result(plugin, code, &why, "looking at", p.path.uri, err));
    *ret_status = status_of(&status);
    return 0;
}

struct listing {
    const struct fs_plugin *plugin;
    struct fs_list *list;
    const char *folder; /* its URI */
    struct error *err;
    int rc; /* of ours */
};

/* Thread: whichever the plug-in calls it on, one at a time. */
static int add_entry(void *arg, const char *name, const flinc_fs_status *status)
{
    struct listing *l = arg;
    STR_AUTO path = STR_INIT;
    struct error bad = ERROR_INIT;
    if (name == NULL || status == NULL || fs_join(l->folder, name, &path, &bad) < 0) {
        l->rc = plugin_misbehaves(l->plugin, "it lists what is no name of a file", l->err);
        return FLINC_FS_IO;
    }
    struct fs_status ours = status_of(status);
    l->rc = fs_list_add(l->list, name, str_cstr(&path), &ours, l->err);
    return l->rc < 0 ? FLINC_FS_TOO_LARGE : 0;
}

static int driver_list(const struct fs_location *at, struct fs_list *ret_list, struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(at);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    plugin_path_init(&p, at);
    struct listing l = {.plugin = plugin, .list = ret_list, .folder = p.path.uri, .err = err};
    int code = plugin->table.list(plugin->fs, &p.path, add_entry, &l, &why);
    return l.rc < 0 ? l.rc : plugin_result(plugin, code, &why, "listing", p.path.uri, err);
}

static int driver_mkdirs(const struct fs_location *at, struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(at);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    if (plugin->table.mkdirs == NULL) {
        return 0; /* it has no folders */
    }
    plugin_path_init(&p, at);
    return plugin_result(plugin, plugin->table.mkdirs(plugin->fs, &p.path, &why), &why,
                         "making the folder", p.path.uri, err);
}

static int driver_rename(const struct fs_location *from, const struct fs_location *to,
                         struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(from);
    PLUGIN_PATH_AUTO f = {.uri = STR_INIT};
    PLUGIN_PATH_AUTO t = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    plugin_path_init(&f, from);
    plugin_path_init(&t, to);
    return plugin_result(plugin, plugin->table.rename(plugin->fs, &f.path, &t.path, &why), &why,
                         "renaming", f.path.uri, err);
}

static int driver_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err)
{
    const struct fs_plugin *plugin = plugin_of(at);
    PLUGIN_PATH_AUTO p = {.uri = STR_INIT};
    flinc_fs_error why = {{0}};
    plugin_path_init(&p, at);
    int code = plugin->table.remove(plugin->fs, &p.path, mode == FS_DELETE_RECURSIVE, &why);
    return plugin_result(plugin, code, &why, "deleting", p.path.uri, err);
}

struct plugin_driver *plugin_driver_new(struct fs_plugin *plugin, const char *scheme)
{
    const flinc_fs_plugin *t = &plugin->table;
    struct plugin_driver *d = MEM_NEW(struct plugin_driver);
    d->plugin = plugin;
    d->driver = (struct fs_driver){
        .scheme = mem_strdup(scheme),
        .description = t->description != NULL ? t->description : t->name,
        .open = driver_open,
        .create = driver_create,
        .stat = driver_stat,
        .list = driver_list,
        .mkdirs = driver_mkdirs,
        .rename = driver_rename,
        .remove = driver_remove,
        .recoverable = t->recoverable_open != NULL ? &recoverable_ops_plugin : NULL,
        .has_no_folders = (t->flags & FLINC_FS_HAS_NO_FOLDERS) != 0,
        .hides_unfinished = (t->flags & FLINC_FS_HIDES_UNFINISHED) != 0,
    };
    return d;
}
