/* The connectors of the process: an array that only grows, in the order of identifiers per look-up.
 * Thread: any; adding is behind a lock, readers see what was added before. */
#include "common/base/thread.h"
#include "engine/table/table.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static const struct table_connector *_Atomic connectors[TABLE_CONNECTORS_MAX];
static _Atomic size_t n_connectors;
static const struct operator_desc *_Atomic operators[TABLE_OPERATORS_MAX];
static const struct coordinator_desc *_Atomic coordinators[TABLE_OPERATORS_MAX];

const char *table_ability_name(enum table_ability ability)
{
    static const char *const names[] = {"projection",       "nested projection", "filters",
                                        "limits",           "partitions",        "watermarks",
                                        "metadata columns", "INSERT OVERWRITE"};
    _Static_assert(TABLE_OVERWRITE == 1u << (ARRAY_LEN(names) - 1), "a name per ability");

    return names[__builtin_ctz(ability)];
}

static size_t count(void)
{
    return atomic_load_explicit(&n_connectors, memory_order_acquire);
}

static const struct table_connector *get(size_t i)
{
    return atomic_load_explicit(&connectors[i], memory_order_relaxed);
}

const struct table_connector *table_connector_find(const char *identifier)
{
    for (size_t i = 0, n = count(); i < n; i++) {
        if (strcmp(get(i)->identifier, identifier) == 0) {
            return get(i);
        }
    }
    return NULL;
}

static int add(const struct table_connector *c, struct error *err)
{
    size_t n = count();
    const struct table_connector *old = table_connector_find(c->identifier);

    if (old == c) {
        return 0;
    }
    if (old != NULL) {
        return error_set(err, ERR_ALREADY_EXISTS, "there is a connector '%s' already",
                         c->identifier);
    }
    if (n == TABLE_CONNECTORS_MAX) {
        return error_set(err, ERR_LIMIT, "there are more than %d connectors", TABLE_CONNECTORS_MAX);
    }
    atomic_store_explicit(&connectors[n], c, memory_order_relaxed);
    atomic_store_explicit(&n_connectors, n + 1, memory_order_release);
    return 0;
}

int table_connector_register(const struct table_connector *connector, struct error *err)
{
    if (connector->struct_size != sizeof(*connector) ||
        connector->version != TABLE_CONNECTOR_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "the connector '%s' is of version %u, this program takes %d",
                         connector->identifier, connector->version, TABLE_CONNECTOR_VERSION);
    }
    pthread_mutex_lock(&adding);
    int rc = add(connector, err);
    pthread_mutex_unlock(&adding);
    return rc;
}

static int by_identifier(const void *a, const void *b)
{
    return strcmp((*(const struct table_connector *const *)a)->identifier,
                  (*(const struct table_connector *const *)b)->identifier);
}

/* All of them in the order of identifiers. */
static size_t sorted(const struct table_connector *ret[TABLE_CONNECTORS_MAX])
{
    size_t n = count();

    for (size_t i = 0; i < n; i++) {
        ret[i] = get(i);
    }
    if (n > 0) {
        qsort(ret, n, sizeof(ret[0]), by_identifier);
    }
    return n;
}

const struct table_connector *table_connector_at(size_t i)
{
    const struct table_connector *all[TABLE_CONNECTORS_MAX];

    return i < sorted(all) ? all[i] : NULL;
}

int table_connector_require(const char *identifier, const struct table_connector **ret,
                            struct error *err)
{
    const struct table_connector *all[TABLE_CONNECTORS_MAX];
    const char *names[TABLE_CONNECTORS_MAX];
    STR_AUTO list = STR_INIT;

    *ret = table_connector_find(identifier);
    if (*ret != NULL) {
        return 0;
    }
    size_t n = sorted(all);
    for (size_t i = 0; i < n; i++) {
        names[i] = all[i]->identifier;
        str_printf(&list, "%s%s", i > 0 ? "\n" : "", names[i]);
    }
    const char *nearest = cstr_nearest(identifier, names, n);
    return error_set(err, ERR_NOT_FOUND,
                     "Could not find any factory for identifier '%s'%s%s%s.\n\nAvailable factory "
                     "identifiers are:\n\n%s",
                     identifier, nearest != NULL ? " (did you mean '" : "",
                     nearest != NULL ? nearest : "", nearest != NULL ? "'?)" : "", str_cstr(&list));
}

const struct table_metadata *table_metadata_find(const struct table_connector *c, const char *key)
{
    for (size_t i = 0; i < c->n_metadata; i++) {
        if (strcmp(c->metadata[i].key, key) == 0) {
            return &c->metadata[i];
        }
    }
    return NULL;
}

int table_operator_register(const struct operator_desc *desc, struct error *err)
{
    size_t i = 0;

    pthread_mutex_lock(&adding);
    while (i < TABLE_OPERATORS_MAX && operators[i] != NULL && operators[i] != desc) {
        i++;
    }
    if (i < TABLE_OPERATORS_MAX) {
        atomic_store_explicit(&operators[i], desc, memory_order_release);
    }
    pthread_mutex_unlock(&adding);
    return i < TABLE_OPERATORS_MAX
               ? 0
               : error_set(err, ERR_LIMIT, "connectors share more than %d operators",
                           TABLE_OPERATORS_MAX);
}

int table_coordinator_register(const struct coordinator_desc *desc, struct error *err)
{
    size_t i = 0;

    pthread_mutex_lock(&adding);
    while (i < TABLE_OPERATORS_MAX && coordinators[i] != NULL && coordinators[i] != desc) {
        i++;
    }
    if (i < TABLE_OPERATORS_MAX) {
        atomic_store_explicit(&coordinators[i], desc, memory_order_release);
    }
    pthread_mutex_unlock(&adding);
    return i < TABLE_OPERATORS_MAX
               ? 0
               : error_set(err, ERR_LIMIT, "there are more than %d shared coordinators",
                           TABLE_OPERATORS_MAX);
}

static const struct operator_desc *find_shared(const char *kind)
{
    for (size_t i = 0; i < TABLE_OPERATORS_MAX; i++) {
        const struct operator_desc *d = atomic_load_explicit(&operators[i], memory_order_acquire);
        if (d == NULL || strcmp(d->kind, kind) == 0) {
            return d;
        }
    }
    return NULL;
}

const struct operator_desc *table_operator_find(const char *kind)
{
    const struct operator_desc *shared = find_shared(kind);

    if (shared != NULL) {
        return shared;
    }
    for (size_t i = 0, n = count(); i < n; i++) {
        const struct table_connector *c = get(i);
        for (size_t k = 0; k < c->n_operators; k++) {
            if (strcmp(c->operators[k]->kind, kind) == 0) {
                return c->operators[k];
            }
        }
    }
    return operator_find(kind);
}

static const struct coordinator_desc *find_shared_coordinator(const char *kind)
{
    for (size_t i = 0; i < TABLE_OPERATORS_MAX; i++) {
        const struct coordinator_desc *d =
            atomic_load_explicit(&coordinators[i], memory_order_acquire);
        if (d == NULL || strcmp(d->kind, kind) == 0) {
            return d;
        }
    }
    return NULL;
}

const struct coordinator_desc *table_coordinator_find(const char *kind)
{
    const struct coordinator_desc *shared = find_shared_coordinator(kind);

    if (shared != NULL) {
        return shared;
    }
    for (size_t i = 0, n = count(); i < n; i++) {
        const struct table_connector *c = get(i);
        for (size_t k = 0; k < c->n_coordinators; k++) {
            if (strcmp(c->coordinators[k]->kind, kind) == 0) {
                return c->coordinators[k];
            }
        }
    }
    return coordinator_find(kind);
}
