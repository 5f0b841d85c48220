/* `flink state`: looks into checkpoints and savepoints without a cluster.
 *
 *   info SNAPSHOT                what it is, its operators, sizes
 *   ls SNAPSHOT                  operators and their states: types, key groups, rows, bytes
 *   dump SNAPSHOT [filters]      the state as it would be restored, a JSON object per line
 *   diff A B [filters]           rows added, removed, changed
 *
 * Thread: main.  Flink: the reading half of the State Processor API. */
#ifndef FLINC_CLIENT_STATETOOL_STATETOOL_H
#define FLINC_CLIENT_STATETOOL_STATETOOL_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "proto/snapshot.pb-c.h"
#include <stdio.h>

/* `argv[0]` is the sub-command; returns the exit code.  Results go to `out`, errors to stderr. */
int statetool_main(int argc, char **argv, FILE *out);
/* One line for the help of `flink`. */
extern const char statetool_summary[];

/* ---- inside the room --------------------------------------------------------------------------- */

/* Which state is meant. */
struct state_filter {
    const char *operator_name; /* id in hex, name or uid; NULL: all */
    const char *state;         /* NULL: all */
    int64_t key_group;         /* -1: all */
};
bool state_filter_has_operator(const struct state_filter *f, const Flinc__OperatorSnapshot *o);

struct open_snapshot {
    Flinc__CheckpointMetadata *m; /* Owns */
    struct str directory;
};
int open_snapshot_read(struct open_snapshot *s, const char *path, struct error *err) MUST_CHECK;
void open_snapshot_fini(struct open_snapshot *s);

/* Text, handed on to a file in large pieces. */
struct text_sink {
    struct str text;
    FILE *out; /* Borrows */
};
int text_sink_drain(struct text_sink *s, size_t above, struct error *err) MUST_CHECK;

void operator_id_hex(const Flinc__OperatorSnapshot *o, char ret_hex[33]);

int state_info(const struct open_snapshot *s, struct text_sink *out, struct error *err) MUST_CHECK;
int state_list(const struct open_snapshot *s, const struct state_filter *filter,
               struct text_sink *out, struct error *err) MUST_CHECK;
int state_dump(const struct open_snapshot *s, const struct state_filter *filter,
               struct text_sink *out, struct error *err) MUST_CHECK;
int state_diff(const struct open_snapshot *a, const struct open_snapshot *b,
               const struct state_filter *filter, struct text_sink *out,
               struct error *err) MUST_CHECK;

/* What dump and diff are made of: every row as text, in two parts.  `head`: operator, state, key; `tail`:
 * the value; together a line.  Both are good until the function returns. */
struct state_lines {
    int (*line)(void *arg, struct slice head, struct slice tail, struct error *err);
    void *arg;
};
int state_lines_walk(const struct open_snapshot *s, const struct state_filter *filter,
                     const struct state_lines *to, struct error *err) MUST_CHECK;

#endif
