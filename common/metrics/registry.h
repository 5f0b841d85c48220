/* Metrics by name: a registry of groups (job manager, task manager, job, task, operator, and free
 * groups below them) that carry Flink's scope variables and identifiers.
 *
 * A group owns the metrics registered in it: freeing the group takes them and its subgroups out of the
 * registry, so that a finished task leaves nothing behind.  Registration takes the registry's lock;
 * writing a metric never does; a snapshot holds the lock while it reads.
 *
 *   <host>.taskmanager.<tm_id>.<job_name>.<task_name>.<subtask_index>  +  . numRecordsIn
 *
 * Thread: any (lock: registry.lock, a leaf: nothing else is locked under it). */
#ifndef FLINC_COMMON_METRICS_REGISTRY_H
#define FLINC_COMMON_METRICS_REGISTRY_H

#include "common/base/str.h"
#include "common/base/vec.h"
#include "common/metrics/metric.h"

/* The scopes that have a format option (metrics.scope.*), outermost first. */
enum metric_scope {
    METRIC_SCOPE_JM,
    METRIC_SCOPE_JM_JOB,
    METRIC_SCOPE_JM_OPERATOR,
    METRIC_SCOPE_TM,
    METRIC_SCOPE_TM_JOB,
    METRIC_SCOPE_TASK,
    METRIC_SCOPE_OPERATOR,
    METRIC_SCOPES,
};
const char *metric_scope_name(enum metric_scope scope);           /* "jm", "tm-job", ... */
const char *metric_scope_option(enum metric_scope scope);         /* "metrics.scope.jm", ... */
const char *metric_scope_default_format(enum metric_scope scope); /* "<host>.jobmanager", ... */
const char *metric_scope_logical(enum metric_scope scope);        /* "jobmanager.job", ... */

enum {
    METRIC_NAME_MAX = 255,          /* bytes of one name */
    METRIC_LIMIT_DEFAULT = 1000000, /* metrics of one registry */
};

struct metric_registry;
struct metric_group;

struct metric_registry_options {
    const char *formats[METRIC_SCOPES]; /* Borrows during the call; NULL: the default */
    char delimiter;                     /* 0: '.' */
    uint32_t limit;                     /* metrics; 0: METRIC_LIMIT_DEFAULT */
    const struct clock *clock;          /* Borrows; NULL: clock_system; for meters */
};
int metric_registry_new(const struct metric_registry_options *options,
                        struct metric_registry **ret_registry, struct error *err) MUST_CHECK;
/* All groups must be freed before.  NULL is fine; returns NULL. */
struct metric_registry *metric_registry_free(struct metric_registry *r);
/* Samples the meters whose 5 s are over; call it about once a second from a timer.  Returns how many
 * intervals were sampled. */
uint32_t metric_registry_update(struct metric_registry *r);
uint32_t metric_registry_len(struct metric_registry *r);

/* ---- groups ------------------------------------------------------------------------------------- */

/* Variables of a scope: those that its format and its parents' may name.  Borrowed during the call. */
struct metric_variable {
    const char *name; /* without <>: "tm_id" */
    const char *value;
};

/* A group of one of the scopes; the variables of the parent (may be NULL) are inherited.  A variable
 * that the format names and nobody gave stays as it is written.  A format that begins with `*.` goes on
 * from the identifier of the nearest group above that has a scope. */
struct metric_group *metric_group_new(struct metric_registry *r, struct metric_group *parent,
                                      enum metric_scope scope,
                                      const struct metric_variable *variables, size_t n_variables);
/* A named group below one ("buffers", "Source__0"): its name is a part of identifiers. */
struct metric_group *metric_group_add(struct metric_group *parent, const char *name);
/* Flink's addGroup(key, value): identifiers get ".key.value", and <key> is a variable. */
struct metric_group *metric_group_add_pair(struct metric_group *parent, const char *key,
                                           const char *value);
struct metric_registry *metric_group_registry(const struct metric_group *g);
/* Unregisters its metrics and subgroups.  NULL is fine; returns NULL. */
struct metric_group *metric_group_free(struct metric_group *g);
/* The value of a variable, inherited ones too; NULL when there is none.  Lives with the group. */
const char *metric_group_variable(const struct metric_group *g, const char *name);
/* Calls fn for each variable, the group's own first, then those above; a nearer one of a name comes
 * first.  The pointers live with the group. */
void metric_group_each_variable(const struct metric_group *g,
                                void (*fn)(void *arg, const struct metric_variable *variable),
                                void *arg);
/* Appends what the group is, without values: the logical name of its scope and the names of the groups
 * below it, keys of pairs without their values ("taskmanager.job.task.buffers"). */
void metric_group_logical_scope(const struct metric_group *g, char separator, struct str *out);
/* Identifier of a metric in the group: scope format filled in + names + name.  Characters that are
 * not allowed (blanks, the delimiter, quotes and control characters) become '_' in filled-in values. */
void metric_group_identifier(const struct metric_group *g, const char *metric_name,
                             struct str *ret_identifier);

/* ---- registering -------------------------------------------------------------------------------- */

/* Metrics that the group owns; they live as long as it does.  A second registration of a name keeps
 * the first visible, logs a warning, and returns a working metric that nobody sees (as Flink does). */
struct metric_counter *metric_group_counter(struct metric_group *g, const char *name);
struct metric_gauge *metric_group_gauge(struct metric_group *g, const char *name);
/* arg must live as long as the group.  Readings are one at a time, under the registry's lock. */
void metric_group_gauge_fn(struct metric_group *g, const char *name, metric_gauge_fn fn, void *arg);
/* The rate of a counter that lives as long as the group. */
struct metric_meter *metric_group_meter(struct metric_group *g, const char *name,
                                        const struct metric_counter *counter);
struct metric_histogram *metric_group_histogram(struct metric_group *g, const char *name);
/* Metrics in the caller's memory, which must live as long as the group: a task keeps those of its hot
 * path in its own cache lines. */
void metric_group_add_counter(struct metric_group *g, const char *name,
                              const struct metric_counter *counter);
void metric_group_add_histogram(struct metric_group *g, const char *name,
                                const struct metric_histogram *histogram);

/* ---- reading ------------------------------------------------------------------------------------ */

/* One metric at one moment. */
struct metric_sample {
    const struct metric_group *group; /* Borrows: valid during the callback only */
    enum metric_scope scope;          /* of the nearest group that has one */
    const char *name;                 /* relative to that scope: "buffers.inputQueueLength" */
    const char *metric;               /* relative to the group: "inputQueueLength" */
    const char *identifier;           /* in full, with the scope */
    enum metric_kind kind;
    struct metric_value value; /* counter: count; meter: rate; gauge: value; histogram: count */
    struct metric_histogram_stats histogram; /* METRIC_HISTOGRAM only */
};
/* Calls fn for each metric of one group and those below it (NULL: all), groups in the order of their
 * making and metrics in the order of their registration.  The lock is held, so that no group goes away
 * meanwhile: fn copies, and calls nothing here but metric_group_variable(). */
void metric_registry_visit(struct metric_registry *r, const struct metric_group *group,
                           void (*fn)(void *arg, const struct metric_sample *sample), void *arg);
/* "identifier<TAB>kind<TAB>value" per line, for logs and tests; histograms give one line a statistic. */
void metric_registry_dump(struct metric_registry *r, struct str *ret_text);

#endif
