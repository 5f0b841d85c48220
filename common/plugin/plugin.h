/* Plug-ins: descriptors of connectors, formats, file systems, reporters ... found by (kind, name).
 *
 * What is in the tree and what third parties bring are the same const descriptors: the former come
 * in a table, the latter from plugins/<name>/<file>.so, which exports one function.  The vtable's type
 * belongs to the room that owns the kind; this room only knows its ABI number.
 *
 * Flink: PluginManager, FactoryUtil.
 * Thread: one owner while it is filled (at start of the process); any number of readers afterwards. */
#ifndef FLINC_COMMON_PLUGIN_PLUGIN_H
#define FLINC_COMMON_PLUGIN_PLUGIN_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/conf/option.h"

enum plugin_kind {
    PLUGIN_KIND_FILE_SYSTEM,
    PLUGIN_KIND_CONNECTOR,
    PLUGIN_KIND_FORMAT,
    PLUGIN_KIND_CATALOG,
    PLUGIN_KIND_STATE_BACKEND,
    PLUGIN_KIND_METRIC_REPORTER,
    PLUGIN_KIND_FUNCTION,
    PLUGIN_KIND_FAILURE_ENRICHER,
    PLUGIN_KIND_COORDINATOR, /* of an operator; vtable: struct coordinator_desc, name: its kind */
    PLUGIN_KINDS,            /* count */
};
const char *plugin_kind_name(enum plugin_kind kind); /* "file system" */

/* Raised when struct plugin_descriptor, struct plugin_exports or the meaning of either changes. */
enum { PLUGIN_ABI_VERSION = 1 };

/* Const, lives as long as the shared object. */
struct plugin_descriptor {
    uint32_t struct_size; /* sizeof(struct plugin_descriptor) where it was compiled */
    uint32_t abi_version; /* PLUGIN_ABI_VERSION where it was compiled */
    enum plugin_kind kind;
    uint32_t kind_version; /* ABI of the vtable, owned by the kind's room */
    const char *name;      /* as written in configuration or SQL, lower case: "kafka" */
    const char *description;
    const struct conf_option *options; /* may be NULL */
    size_t n_options;
    const void *vtable;
};

/* What the entry function of a shared object returns. */
struct plugin_exports {
    uint32_t struct_size;
    uint32_t abi_version;
    const struct plugin_descriptor *const *descriptors;
    size_t n_descriptors;
};
typedef const struct plugin_exports *(*plugin_entry_fn)(void);
#define PLUGIN_ENTRY_SYMBOL "flinc_plugin_entry"
/* Put before the definition of flinc_plugin_entry. */
#define PLUGIN_EXPORT __attribute__((visibility("default")))

struct plugin_registry {
    struct map by_key;                    /* "kind:name" -> const struct plugin_descriptor */
    struct vec objects;                   /* Owns: struct shared_object */
    uint32_t kind_versions[PLUGIN_KINDS]; /* what each kind's room accepts; 0: any */
};

void plugin_registry_init(struct plugin_registry *registry);
/* Unloads the shared objects: nothing of them may be in use any more. */
void plugin_registry_fini(struct plugin_registry *registry);
/* The vtable ABI that plug-ins of a kind must have; set before loading. */
void plugin_registry_expect(struct plugin_registry *registry, enum plugin_kind kind,
                            uint32_t kind_version);

/* Adds a descriptor that outlives the registry.  ERR_ALREADY_EXISTS for a second one of a name,
 * ERR_UNSUPPORTED for another ABI. */
int plugin_register(struct plugin_registry *registry, const struct plugin_descriptor *descriptor,
                    struct error *err) MUST_CHECK;
int plugin_register_all(struct plugin_registry *registry,
                        const struct plugin_descriptor *const *descriptors, size_t n,
                        struct error *err) MUST_CHECK;

/* One shared object: all of its plug-ins or, on failure, none.  The error says what the file is
 * instead, or which ABI it has and what to do. */
int plugin_load_file(struct plugin_registry *registry, const char *path,
                     struct error *err) MUST_CHECK;
/* <dir>/<name>/<file>.so, in order of names.  A file that does not load is reported to on_error and the
 * rest goes on; returns the number loaded, or negative when the folder exists but cannot be read. */
int plugin_load_dir(struct plugin_registry *registry, const char *dir,
                    void (*on_error)(void *arg, const char *path, const struct error *err),
                    void *arg, struct error *err) MUST_CHECK;

/* NULL when there is none. */
const struct plugin_descriptor *plugin_find(const struct plugin_registry *registry,
                                            enum plugin_kind kind, const char *name);
/* The same, with an error that lists the names there are and the nearest one. */
int plugin_require(const struct plugin_registry *registry, enum plugin_kind kind, const char *name,
                   const struct plugin_descriptor **ret_descriptor, struct error *err) MUST_CHECK;
/* Those of a kind, in the order they were registered: pushes const struct plugin_descriptor * to a
 * vector of pointers. */
void plugin_list(const struct plugin_registry *registry, enum plugin_kind kind,
                 struct vec *ret_descriptors);

#endif
