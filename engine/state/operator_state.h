/* State of an operator subtask that belongs to no key: named lists of rows, redistributed when the
 * parallelism changes as their mode says, and broadcast state, a map that is the same in all subtasks.
 *
 * Small by nature: kept whole in memory, written whole with each checkpoint.  Items are bytes of the
 * owner's choice (row codec, or a message); `schema` describes them for people and tools.  In a snapshot a
 * broadcast map is a part of the items key, value, key, value, ...; what was restored and is not asked for
 * is kept, and written again.
 *
 * Thread: one owner (the task).  Flink: OperatorStateBackend, ListState, UnionListState, BroadcastState. */
#ifndef FLINC_ENGINE_STATE_OPERATOR_STATE_H
#define FLINC_ENGINE_STATE_OPERATOR_STATE_H

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "proto/snapshot.pb-c.h"

struct snapshot_target;
struct operator_state;
struct operator_list; /* SPLIT or UNION */
struct broadcast_map; /* BROADCAST: key bytes to value bytes */

struct operator_state *operator_state_new(const char *operator_name, struct mem_budget *budget);
struct operator_state *
operator_state_free(struct operator_state *s); /* NULL is fine; returns NULL */
int operator_state_restore(struct operator_state *s, const Flinc__OperatorSubtaskState *state,
                           const char *directory, struct error *err) MUST_CHECK;
bool operator_state_is_empty(const struct operator_state *s); /* nothing was ever declared */

/* Opens a list by name: the restored items are in it.  ERR_STATE: restored with another mode. */
int operator_state_list(struct operator_state *s, const char *name, Flinc__OperatorStateMode mode,
                        const char *schema, struct operator_list **ret,
                        struct error *err) MUST_CHECK;
/* A checkpoint in which some subtasks have come to the end of their input and others have not is declined: what the ended ones said
 * last would be dealt out again.  Flink: so it is with UnionListState. */
void operator_list_need_all(struct operator_list *l);
size_t operator_list_len(const struct operator_list *l);
struct slice operator_list_get(const struct operator_list *l, size_t i);
int operator_list_add(struct operator_list *l, const void *data, size_t size,
                      struct error *err) MUST_CHECK;
void operator_list_clear(struct operator_list *l);

int operator_state_broadcast(struct operator_state *s, const char *name, const char *schema,
                             struct broadcast_map **ret, struct error *err) MUST_CHECK;
size_t broadcast_map_len(const struct broadcast_map *m);
/* False: not there.  Good until the map is changed. */
bool broadcast_map_get(const struct broadcast_map *m, struct slice key, struct slice *ret_value);
int broadcast_map_put(struct broadcast_map *m, struct slice key, struct slice value,
                      struct error *err) MUST_CHECK;
bool broadcast_map_remove(struct broadcast_map *m, struct slice key);
/* In the order of the first put; `i` below broadcast_map_len(). */
void broadcast_map_entry(const struct broadcast_map *m, size_t i, struct slice *ret_key,
                         struct slice *ret_value);

/* Everything as it is now, at once: the blob is inline or on its way to a file.  NULL handle parts when
 * nothing was declared.  As snapshot_output_poll() afterwards. */
struct operator_state_snapshot;
int operator_state_freeze(struct operator_state *s, struct snapshot_target *target,
                          struct operator_state_snapshot **ret, struct error *err) MUST_CHECK;
int operator_state_snapshot_poll(struct operator_state_snapshot *s,
                                 Flinc__OperatorStateHandle *ret_handle,
                                 struct error *err) MUST_CHECK;
struct operator_state_snapshot *operator_state_snapshot_free(struct operator_state_snapshot *s);

#endif
