/* Which plug-ins there are; see plugins.h. */
#include "common/fs/plugins/plugins_internal.h"

#include "common/base/log.h"
#include "common/plugin/plugin.h"
#include "common/plugin/plugin_folder.h"
#include "common/plugin/shared_object.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char topic[] = "flinc.plugins";
static const char settings_key[] = "fs.plugin.<name>.<key>";

/* Of the process; filled once, by main. */
static struct {
    bool loaded;
    struct vec plugins; /* Owns: of struct fs_plugin * */
    struct str dir;     /* where was looked */
    struct str good;    /* "my (plugins/x/x.so), " */
    struct str bad;     /* "plugins/y/y.so: why; " */
} all = {
    .plugins = VEC_INIT(struct fs_plugin *), .dir = STR_INIT, .good = STR_INIT, .bad = STR_INIT};

/* ---- one table ------------------------------------------------------------------------------------ */

static bool is_scheme(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= FLINC_FS_SCHEME_MAX && n <= FS_SCHEME_MAX && s[0] >= 'a' && s[0] <= 'z' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == n;
}

/* All up to the recoverable files must be there; those are there all or none. */
static int check_functions(const char *path, const flinc_fs_plugin *t, struct error *err)
{
    bool folders = (t->flags & FLINC_FS_HAS_NO_FOLDERS) != 0 || t->mkdirs != NULL;
    bool recoverable = t->recoverable_open != NULL;
    if (t->start == NULL || t->open == NULL || t->read_at == NULL || t->close == NULL ||
        t->create == NULL || t->write == NULL || t->sync == NULL || t->finish == NULL ||
        t->abandon == NULL || t->stat == NULL || t->list == NULL || !folders || t->rename == NULL ||
        t->remove == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: a function that a file system must have is missing", path);
    }
    if (recoverable != (t->recoverable_recover != NULL) ||
        recoverable != (t->recoverable_write != NULL) ||
        recoverable != (t->recoverable_persist != NULL) ||
        recoverable != (t->recoverable_close != NULL) ||
        recoverable != (t->recoverable_commit != NULL) ||
        recoverable != (t->recoverable_cleanup != NULL)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: of the functions of recoverable files some are missing", path);
    }
    return 0;
}

static int check_schemes(const char *path, const flinc_fs_plugin *t, struct error *err)
{
    size_t n = 0;
    while (t->schemes != NULL && n <= FLINC_FS_SCHEMES_MAX && t->schemes[n] != NULL) {
        const char *scheme = t->schemes[n++];
        if (!is_scheme(scheme)) {
            return error_set(
                err, ERR_INVALID_ARGUMENT,
                "%s: '%.40s' is no scheme: at most %d lower-case letters, digits, '+', '-', '.'",
                path, scheme, FLINC_FS_SCHEME_MAX);
        }
        const struct fs_driver *other = fs_driver_find(scheme);
        if (other != NULL) {
            const char *whose = "Flinc itself";
            for (size_t i = 0; i < all.plugins.len; i++) {
                const struct fs_plugin *p = vec_ptr(&all.plugins, i);
                for (size_t k = 0; p->table.schemes[k] != NULL; k++) {
                    whose = strcmp(p->table.schemes[k], scheme) == 0 ? p->path : whose;
                }
            }
            return error_set(err, ERR_ALREADY_EXISTS,
                             "%s: the scheme '%s' belongs to %s; take one of them out", path,
                             scheme, whose);
        }
    }
    return n > 0 && n <= FLINC_FS_SCHEMES_MAX
               ? 0
               : error_set(err, ERR_INVALID_ARGUMENT, "%s names no scheme, or more than %d", path,
                           FLINC_FS_SCHEMES_MAX);
}

/* Copies what the plug-in has; nothing behind its first two fields is read before they fit. */
static int take_table(const char *path, const flinc_fs_plugin *theirs, flinc_fs_plugin *ret,
                      struct error *err)
{
    if (theirs == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s gives no table of functions", path);
    }
    if (theirs->abi_version != FLINC_FS_ABI_VERSION) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s was built for version %u of the interface of file systems, this is version %d: %s",
            path, theirs->abi_version, FLINC_FS_ABI_VERSION,
            theirs->abi_version < FLINC_FS_ABI_VERSION
                ? "build it again with the headers of this version"
                : "it is made for a newer version, upgrade this installation");
    }
    if (theirs->struct_size < offsetof(flinc_fs_plugin, recoverable_open) ||
        theirs->struct_size > 64 * 1024) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: its table has %u bytes; build it again with the headers of "
                         "this version",
                         path, theirs->struct_size);
    }
    *ret = (flinc_fs_plugin){.struct_size = 0};
    memcpy(ret, theirs, MIN((size_t)theirs->struct_size, sizeof(*ret)));
    size_t n = ret->name != NULL ? strlen(ret->name) : 0;
    if (n == 0 || n > 100 || strspn(ret->name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != n) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s: the plug-in has no proper name", path);
    }
    TRY(check_functions(path, ret, err));
    return check_schemes(path, ret, err);
}

/* ---- one file ------------------------------------------------------------------------------------- */

struct settings {
    flinc_fs_settings base;
    const struct conf *conf;
    const char *name; /* of the plug-in */
};

static const char *get_setting(const flinc_fs_settings *settings, const char *key)
{
    const struct settings *s = (const struct settings *)settings;
    STR_AUTO own = STR_INIT;
    str_printf(&own, "%.*s%s.%s", (int)strcspn(settings_key, "<"), settings_key, s->name, key);
    const char *value = conf_raw(s->conf, str_cstr(&own));
    return value != NULL ? value : conf_raw(s->conf, key);
}

static int start(struct fs_plugin *plugin, const struct conf *conf, struct error *err)
{
    struct settings s = {
        .base = {.struct_size = sizeof(s.base),
                 .get = get_setting,
                 .process = program_invocation_short_name},
        .conf = conf,
        .name = plugin->table.name,
    };
    flinc_fs_error why = {{0}};
    int code = plugin->table.start(&s.base, &plugin->fs, &why);
    return plugin_result(plugin, code, &why, "starting", plugin->path, err);
}

static int register_schemes(struct fs_plugin *plugin, struct error *err)
{
    for (size_t i = 0; plugin->table.schemes[i] != NULL; i++) {
        struct plugin_driver *d = plugin_driver_new(plugin, plugin->table.schemes[i]);
        TRY(fs_driver_register(&d->driver, err)); /* both live for ever */
    }
    return 0;
}

/* It is a plug-in for something else. */
static bool is_other(const struct shared_object *so)
{
    static const char *const entries[] = {PLUGIN_ENTRY_SYMBOL, PLUGIN_ENTRY_OF_CONNECTORS,
                                          PLUGIN_ENTRY_OF_FORMATS};
    struct error none = ERROR_INIT;
    void *address;
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (shared_object_symbol(so, entries[i], "plug-in", &address, &none) == 0) {
            return true;
        }
    }
    return false;
}

/* 1: it is a file system and works now; 0: it is something else. */
static int load_file(const char *path, const struct conf *conf, struct error *err)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error none = ERROR_INIT;
    void *address;
    flinc_fs_entry entry;
    TRY(shared_object_open(&so, path, err));
    if (shared_object_symbol(&so, FLINC_FS_ENTRY_SYMBOL, "file system", &address, &none) < 0) {
        bool other = is_other(&so);
        shared_object_close(&so);
        return other ? 0
                     : error_set(
                           err, ERR_NOT_FOUND,
                           "%s is no plug-in: it exports neither %s (flinc/filesystem.h) nor %s",
                           path, FLINC_FS_ENTRY_SYMBOL, PLUGIN_ENTRY_SYMBOL);
    }
    memcpy(&entry, &address, sizeof(entry));
    struct fs_plugin *plugin = MEM_NEW(struct fs_plugin);
    int rc = take_table(path, entry(), &plugin->table, err);
    if (rc < 0) {
        shared_object_close(&so);
        mem_free(plugin);
        return rc;
    }
    plugin->path =
        STEAL(so.path); /* from now on its code stays where it is: it may begin threads */
    rc = start(plugin, conf, err);
    if (rc < 0) {
        mem_free(plugin->path);
        mem_free(plugin);
        return rc;
    }
    vec_push_ptr(&all.plugins, plugin);
    TRY(register_schemes(plugin, err));
    return 1;
}

/* ---- the folder ----------------------------------------------------------------------------------- */

static void note(void *arg, const char *path)
{
    const struct conf *conf = arg;
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    int rc = load_file(path, conf, &err);
    if (rc < 0) {
        error_format(&err, text, sizeof(text));
        LOG_WARN(topic, "A plug-in is left out: %s", text);
        str_printf(&all.bad, "%s%s", all.bad.len > 0 ? "; " : "", err.message);
    } else if (rc > 0) {
        const struct fs_plugin *plugin = vec_ptr(&all.plugins, all.plugins.len - 1);
        STR_AUTO schemes = STR_INIT;
        for (size_t i = 0; plugin->table.schemes[i] != NULL; i++) {
            str_printf(&schemes, "%s%s", i > 0 ? ", " : "", plugin->table.schemes[i]);
        }
        LOG_INFO(topic, "Plug-in %s: file systems for %s, from %s.", plugin->table.name,
                 str_cstr(&schemes), path);
        str_printf(&all.good, "%s%s for %s (%s)", all.good.len > 0 ? ", " : "", plugin->table.name,
                   str_cstr(&schemes), path);
    }
}

void fs_plugins_load(const struct conf *conf, const char *dir)
{
    STR_AUTO hint = STR_INIT;
    if (all.loaded) {
        return;
    }
    all.loaded = true;
    if (dir != NULL) {
        str_append_cstr(&all.dir, dir);
    } else {
        plugin_folder_find(&all.dir);
    }
    plugin_folder_each(str_cstr(&all.dir), note, (void *)(uintptr_t)conf);
    str_printf(&hint, "others come as plug-ins, %s/NAME/FILE.so; loaded: %s", str_cstr(&all.dir),
               all.good.len > 0 ? str_cstr(&all.good) : "none");
    if (all.bad.len > 0) {
        str_printf(&hint, "; left out: %s", str_cstr(&all.bad));
    }
    fs_driver_set_hint(str_cstr(&hint));
}

void fs_plugins_stop(void)
{
    for (size_t i = 0; i < all.plugins.len; i++) {
        const struct fs_plugin *plugin = vec_ptr(&all.plugins, i);
        if (plugin->table.stop != NULL) {
            plugin->table.stop(plugin->fs);
        }
    }
}
