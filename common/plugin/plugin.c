/* The registry of plug-ins: descriptors by (kind, name), from tables and from shared objects. */
#include "common/plugin/plugin.h"
#include "common/plugin/shared_object.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PLUGIN_NAME_MAX = 100, PLUGIN_DESCRIPTORS_MAX = 1024, PLUGIN_FILES_MAX = 4096 };

static const char *const kind_names[] = {
    [PLUGIN_KIND_FILE_SYSTEM] = "file system",
    [PLUGIN_KIND_CONNECTOR] = "connector",
    [PLUGIN_KIND_FORMAT] = "format",
    [PLUGIN_KIND_CATALOG] = "catalog",
    [PLUGIN_KIND_STATE_BACKEND] = "state backend",
    [PLUGIN_KIND_METRIC_REPORTER] = "metric reporter",
    [PLUGIN_KIND_FUNCTION] = "function",
    [PLUGIN_KIND_FAILURE_ENRICHER] = "failure enricher",
    [PLUGIN_KIND_COORDINATOR] = "coordinator",
};
_Static_assert(ARRAY_LEN(kind_names) == PLUGIN_KINDS, "every kind has a name");

const char *plugin_kind_name(enum plugin_kind kind)
{
    return kind_names[kind];
}

void plugin_registry_init(struct plugin_registry *registry)
{
    map_init(&registry->by_key, NULL);
    vec_init(&registry->objects, sizeof(struct shared_object));
    memset(registry->kind_versions, 0, sizeof(registry->kind_versions));
}

void plugin_registry_fini(struct plugin_registry *registry)
{
    map_fini(&registry->by_key);
    for (size_t i = 0; i < registry->objects.len; i++) {
        shared_object_close(VEC_AT(&registry->objects, struct shared_object, i));
    }
    vec_fini(&registry->objects);
}

void plugin_registry_expect(struct plugin_registry *registry, enum plugin_kind kind,
                            uint32_t kind_version)
{
    registry->kind_versions[kind] = kind_version;
}

/* ---- registering --------------------------------------------------------------------------- */

static void make_key(struct str *out, enum plugin_kind kind, const char *name)
{
    str_printf(out, "%s:%s", kind_names[kind], name);
}

/* Names appear in SQL, configuration and paths. */
static bool is_name(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;
    return len > 0 && len <= PLUGIN_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len && name[0] != '.';
}

static int check_abi(const char *what, uint32_t has, uint32_t wanted, struct error *err)
{
    if (has == wanted) {
        return 0;
    }
    return error_set(err, ERR_UNSUPPORTED, "%s has ABI version %u, this build takes version %u: %s",
                     what, has, wanted,
                     has < wanted ? "build it again with the headers of this version"
                                  : "it is made for a newer version, upgrade this installation");
}

static int check_descriptor(const struct plugin_registry *registry,
                            const struct plugin_descriptor *d, struct error *err)
{
    if (d == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "a plug-in without a descriptor");
    }
    /* The version comes first: with another one the rest may lie elsewhere. */
    TRY(check_abi("the plug-in", d->abi_version, PLUGIN_ABI_VERSION, err));
    if (d->struct_size < sizeof(*d)) {
        return error_set(err, ERR_UNSUPPORTED,
                         "a plug-in descriptor of %u bytes instead of %zu: build it again with the "
                         "headers of this version",
                         d->struct_size, sizeof(*d));
    }
    if ((unsigned)d->kind >= PLUGIN_KINDS) {
        return error_set(err, ERR_UNSUPPORTED,
                         "a plug-in of the unknown kind %u: it is made for a newer version",
                         (unsigned)d->kind);
    }
    if (!is_name(d->name)) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "a %s plug-in has no proper name: lower-case letters, digits, '-', '_' and "
            "'.', at most %d",
            kind_names[d->kind], PLUGIN_NAME_MAX);
    }
    if (d->vtable == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "the %s %s has no functions",
                         kind_names[d->kind], d->name);
    }
    if (registry->kind_versions[d->kind] != 0) {
        STR_AUTO what = STR_INIT;
        str_printf(&what, "the %s %s", kind_names[d->kind], d->name);
        return check_abi(str_cstr(&what), d->kind_version, registry->kind_versions[d->kind], err);
    }
    return 0;
}

int plugin_register(struct plugin_registry *registry, const struct plugin_descriptor *descriptor,
                    struct error *err)
{
    TRY(check_descriptor(registry, descriptor, err));
    STR_AUTO key = STR_INIT;
    make_key(&key, descriptor->kind, descriptor->name);
    if (map_has(&registry->by_key, str_cstr(&key))) {
        return error_set(err, ERR_ALREADY_EXISTS, "there is a %s %s already",
                         kind_names[descriptor->kind], descriptor->name);
    }
    map_put(&registry->by_key, str_cstr(&key), (void *)(uintptr_t)descriptor);
    return 0;
}

int plugin_register_all(struct plugin_registry *registry,
                        const struct plugin_descriptor *const *descriptors, size_t n,
                        struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = plugin_register(registry, descriptors[i], err);
        if (rc < 0) {
            while (i-- > 0) { /* all or none */
                STR_AUTO key = STR_INIT;
                make_key(&key, descriptors[i]->kind, descriptors[i]->name);
                map_remove(&registry->by_key, str_cstr(&key));
            }
            return rc;
        }
    }
    return 0;
}

/* ---- loading ------------------------------------------------------------------------------- */

static int register_exports(struct plugin_registry *registry, const struct shared_object *so,
                            struct error *err)
{
    void *address;
    TRY(shared_object_symbol(so, PLUGIN_ENTRY_SYMBOL, "plug-in", &address, err));
    plugin_entry_fn entry;
    memcpy(&entry, &address, sizeof(entry)); /* ISO C has no cast from object to function */
    const struct plugin_exports *exports = entry();
    if (exports == NULL || exports->n_descriptors == 0 ||
        exports->n_descriptors > PLUGIN_DESCRIPTORS_MAX || exports->descriptors == NULL) {
        if (exports != NULL && exports->abi_version != PLUGIN_ABI_VERSION) {
            return check_abi(so->path, exports->abi_version, PLUGIN_ABI_VERSION, err);
        }
        return error_set(err, ERR_INVALID_ARGUMENT, "%s exports no plug-ins", so->path);
    }
    TRY(check_abi(so->path, exports->abi_version, PLUGIN_ABI_VERSION, err));
    TRY_CTX(err, plugin_register_all(registry, exports->descriptors, exports->n_descriptors, err),
            "loading %s", so->path);
    return 0;
}

int plugin_load_file(struct plugin_registry *registry, const char *path, struct error *err)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    TRY(shared_object_open(&so, path, err));
    int rc = register_exports(registry, &so, err);
    if (rc < 0) {
        shared_object_close(&so);
        return rc;
    }
    *VEC_PUSH(&registry->objects, struct shared_object) = so;
    return 0;
}

/* Names in the folder that `wanted` accepts, sorted, so that the order of loading is stable. */
static int list_folder(const char *dir, bool (*wanted)(const char *name), struct text_list *list,
                       struct error *err)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return error_set_errno(err, errno, "reading the plug-in folder %s", dir);
    }
    for (struct dirent *entry; (entry = readdir(d)) != NULL && list->n < PLUGIN_FILES_MAX;) {
        if (wanted(entry->d_name)) {
            text_list_add(list, slice_cstr(entry->d_name));
        }
    }
    closedir(d);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct text_list *list)
{
    if (list->n > 0) {
        qsort(list->items, list->n, sizeof(*list->items), compare_names);
    }
}

static bool is_visible(const char *name)
{
    return name[0] != '.';
}

static bool is_shared_object_name(const char *name)
{
    return name[0] != '.' && cstr_ends_with(name, ".so");
}

/* A folder walk: what is loaded, and whom to tell about what is not. */
struct loader {
    struct plugin_registry *registry; /* Borrows */
    void (*on_error)(void *arg, const char *path, const struct error *err);
    void *arg;
    int loaded;
};

static void report(const struct loader *l, const char *path, const struct error *error)
{
    if (l->on_error != NULL) {
        l->on_error(l->arg, path, error);
    }
}

static void load_one_folder(struct loader *l, const char *dir)
{
    struct text_list files = TEXT_LIST_INIT;
    struct error error = ERROR_INIT;
    if (list_folder(dir, is_shared_object_name, &files, &error) < 0) {
        report(l, dir, &error);
    }
    sort_names(&files);
    for (size_t i = 0; i < files.n; i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/%s", dir, files.items[i]);
        error_clear(&error);
        if (plugin_load_file(l->registry, str_cstr(&path), &error) < 0) {
            report(l, str_cstr(&path), &error);
        } else {
            l->loaded++;
        }
    }
    text_list_fini(&files);
}

int plugin_load_dir(struct plugin_registry *registry, const char *dir,
                    void (*on_error)(void *arg, const char *path, const struct error *err),
                    void *arg, struct error *err)
{
    struct stat st;
    if (stat(dir, &st) < 0 && errno == ENOENT) {
        return 0; /* no plugins folder: no plug-ins */
    }
    struct text_list folders = TEXT_LIST_INIT;
    TRY(list_folder(dir, is_visible, &folders, err));
    sort_names(&folders);
    struct loader l = {.registry = registry, .on_error = on_error, .arg = arg};
    for (size_t i = 0; i < folders.n; i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/%s", dir, folders.items[i]);
        if (stat(str_cstr(&path), &st) == 0 && S_ISDIR(st.st_mode)) {
            load_one_folder(&l, str_cstr(&path));
        }
    }
    text_list_fini(&folders);
    return l.loaded;
}

/* ---- finding ------------------------------------------------------------------------------- */

const struct plugin_descriptor *plugin_find(const struct plugin_registry *registry,
                                            enum plugin_kind kind, const char *name)
{
    STR_AUTO key = STR_INIT;
    make_key(&key, kind, name);
    return map_find(&registry->by_key, str_cstr(&key));
}

void plugin_list(const struct plugin_registry *registry, enum plugin_kind kind,
                 struct vec *ret_descriptors)
{
    MAP_FOREACH (&registry->by_key, item) {
        const struct plugin_descriptor *d = item->value;
        if (d->kind == kind) {
            vec_push_ptr(ret_descriptors, d);
        }
    }
}

int plugin_require(const struct plugin_registry *registry, enum plugin_kind kind, const char *name,
                   const struct plugin_descriptor **ret_descriptor, struct error *err)
{
    const struct plugin_descriptor *found = plugin_find(registry, kind, name);
    if (found != NULL) {
        *ret_descriptor = found;
        return 0;
    }
    STR_AUTO there = STR_INIT;
    struct vec descriptors = VEC_INIT(void *);
    struct vec names = VEC_INIT(void *);
    plugin_list(registry, kind, &descriptors);
    for (size_t i = 0; i < descriptors.len; i++) {
        const struct plugin_descriptor *d = vec_ptr(&descriptors, i);
        str_printf(&there, "%s%s", i > 0 ? ", " : "", d->name);
        vec_push_ptr(&names, d->name);
    }
    const char *nearest = cstr_nearest(name, names.data, names.len);
    vec_fini(&names);
    vec_fini(&descriptors);
    return error_set(err, ERR_NOT_FOUND, "there is no %s \"%s\"%s%s%s; there are: %s",
                     kind_names[kind], name, nearest != NULL ? ", did you mean \"" : "",
                     nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "",
                     there.len > 0 ? str_cstr(&there) : "none");
}
