/* Inside the room: what a registry is made of, a tree of groups with their metrics under one lock. */
#ifndef FLINC_COMMON_METRICS_REGISTRY_STATE_H
#define FLINC_COMMON_METRICS_REGISTRY_STATE_H

#include "common/metrics/registry.h"
#include <pthread.h>

enum { SCOPE_NONE = -1 };

struct metric_entry {
    struct metric_entry *next;
    char *name; /* Owns */
    enum metric_kind kind;
    bool visible;
    /* One of these: */
    const struct metric_counter *counter;
    const struct metric_gauge *gauge;
    metric_gauge_fn gauge_fn;
    struct metric_meter *meter;
    const struct metric_histogram *histogram;
    void *gauge_arg;
    /* What the group owns of it. */
    union {
        struct metric_counter counter;
        struct metric_gauge gauge;
        struct metric_meter meter;
        struct metric_histogram histogram;
    } own;
    bool owns_histogram;
};

struct metric_own_variable {
    char *name, *value; /* Owns */
};

struct metric_group {
    struct metric_registry *registry;      /* Borrows */
    struct metric_group *parent;           /* Borrows; may be NULL */
    int scope;                             /* enum metric_scope or SCOPE_NONE */
    char *name;                            /* Owns; below a parent: its name or key; else NULL */
    char *prefix;                          /* Owns; identifier of the group */
    size_t scope_len;                      /* of it, what the scope's format gave */
    struct metric_own_variable *variables; /* Owns */
    size_t n_variables;
    /* Under the lock: */
    struct metric_group *next, *children, **children_end; /* Owns the children */
    struct metric_entry *entries, **entries_end;          /* Owns */
};

struct metric_registry {
    pthread_mutex_t lock;
    char *formats[METRIC_SCOPES]; /* Owns */
    char delimiter;
    uint32_t limit;
    const struct clock *clock;
    /* Under the lock: */
    struct metric_group *groups, **groups_end; /* Owns */
    uint32_t n_visible;
    bool warned_limit;
    int64_t next_update_ms;
};

/* The nearest group from `g` upwards that has a scope; NULL when there is none. */
static inline const struct metric_group *metric_group_scoped(const struct metric_group *g)
{
    while (g != NULL && g->scope == SCOPE_NONE) {
        g = g->parent;
    }
    return g;
}

#endif
