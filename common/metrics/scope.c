/* Flink's scope formats: the table of scopes with their options and defaults, and the filling in.
 * Thread: any (no state). */
#include "common/metrics/scope.h"

struct scope_row {
    const char *name, *option, *logical, *format;
};

static const struct scope_row scopes[] = {
    [METRIC_SCOPE_JM] = {"jm", "metrics.scope.jm", "jobmanager", "<host>.jobmanager"},
    [METRIC_SCOPE_JM_JOB] = {"jm-job", "metrics.scope.jm-job", "jobmanager.job",
                             "<host>.jobmanager.<job_name>"},
    [METRIC_SCOPE_JM_OPERATOR] = {"jm-operator", "metrics.scope.jm-operator",
                                  "jobmanager.job.operator",
                                  "<host>.jobmanager.<job_name>.<operator_name>"},
    [METRIC_SCOPE_TM] = {"tm", "metrics.scope.tm", "taskmanager", "<host>.taskmanager.<tm_id>"},
    [METRIC_SCOPE_TM_JOB] = {"tm-job", "metrics.scope.tm-job", "taskmanager.job",
                             "<host>.taskmanager.<tm_id>.<job_name>"},
    [METRIC_SCOPE_TASK] = {"task", "metrics.scope.task", "taskmanager.job.task",
                           "<host>.taskmanager.<tm_id>.<job_name>.<task_name>.<subtask_index>"},
    [METRIC_SCOPE_OPERATOR] =
        {"operator", "metrics.scope.operator", "taskmanager.job.task.operator",
         "<host>.taskmanager.<tm_id>.<job_name>.<operator_name>.<subtask_index>"},
};
_Static_assert(ARRAY_LEN(scopes) == METRIC_SCOPES, "one row per scope");

const char *metric_scope_name(enum metric_scope scope)
{
    return (unsigned)scope < METRIC_SCOPES ? scopes[scope].name : "unknown";
}

const char *metric_scope_option(enum metric_scope scope)
{
    ASSERT((unsigned)scope < METRIC_SCOPES);
    return scopes[scope].option;
}

const char *metric_scope_logical(enum metric_scope scope)
{
    ASSERT((unsigned)scope < METRIC_SCOPES);
    return scopes[scope].logical;
}

const char *metric_scope_default_format(enum metric_scope scope)
{
    ASSERT((unsigned)scope < METRIC_SCOPES);
    return scopes[scope].format;
}

void scope_append_filtered(struct str *out, const char *text, char delimiter)
{
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bool refused =
            c <= ' ' || c == 127 || c == (unsigned char)delimiter || strchr(".:,\"'`", c) != NULL;
        str_append_char(out, refused ? '_' : (char)c);
    }
}

enum { SCOPE_VARIABLE_MAX = 64 };

/* At a '<': appends the variable's value and returns what follows, or returns NULL when this is no
 * variable that anybody gave. */
static const char *fill_variable(const char *at, const struct scope_fill *fill, struct str *out)
{
    const char *end = strchr(at, '>');
    size_t len = end != NULL ? (size_t)(end - at - 1) : 0;
    if (len == 0 || len >= SCOPE_VARIABLE_MAX) {
        return NULL;
    }
    char name[SCOPE_VARIABLE_MAX];
    memcpy(name, at + 1, len);
    name[len] = '\0';
    const char *value = fill->lookup(fill->arg, name);
    if (value == NULL) {
        return NULL;
    }
    scope_append_filtered(out, value, fill->delimiter);
    return end + 1;
}

void scope_format_fill(const char *format, const struct scope_fill *fill, struct str *out)
{
    const char *p = format;
    if (p[0] == '*' && (p[1] == '.' || p[1] == '\0')) {
        str_append_cstr(out, fill->parent);
        /* Without a parent the delimiter would lead. */
        p += fill->parent[0] == '\0' && p[1] == '.' ? 2 : 1;
    }
    while (*p != '\0') {
        const char *behind = *p == '<' ? fill_variable(p, fill, out) : NULL;
        if (behind != NULL) {
            p = behind;
            continue;
        }
        str_append_char(out, *p == '.' ? fill->delimiter : *p);
        p++;
    }
}
