/* Dealing what was in flight to the subtasks of another parallelism.
 *
 * Of a hash edge everybody reads what was in flight to the old subtasks whose key groups he has some of (all
 * of them when it was no hash edge before) and takes his rows out.  Of other edges it does not matter who
 * processes a row, so each old subtask's goes to one, as a whole and in its order.
 *
 * Thread: any, one at a time.  Flink: StateAssignmentOperation.reDistributeInputChannelStates,
 * SubtaskStateMapper. */
#include "common/base/failpoint.h"
#include "engine/data/hash.h"
#include "engine/snapshot/assign_deal.h"

#define HASH FLINC__PARTITIONER_KIND__PARTITION_HASH

static const Flinc__JobEdge *find_edge(const Flinc__JobGraph *graph, const ProtobufCBinaryData *id)
{
    for (size_t i = 0; i < graph->n_edges; i++) {
        const ProtobufCBinaryData *other = &graph->edges[i]->id;
        if (other->len == id->len && memcmp(other->data, id->data, id->len) == 0) {
            return graph->edges[i];
        }
    }
    return NULL;
}

int deal_add_channels(struct deal *d, const Flinc__JobGraph *graph, struct error *err)
{
    for (size_t i = 0; i < d->from->n_subtasks; i++) {
        const Flinc__SubtaskSnapshot *s = d->from->subtasks[i];
        for (size_t k = 0; s->state != NULL && k < s->state->n_channels; k++) {
            Flinc__ChannelStateHandle *h = s->state->channels[k];
            const Flinc__JobEdge *e = find_edge(graph, &h->edge_id);
            if (e == NULL) {
                return error_set(
                    err, ERR_INVALID_ARGUMENT,
                    "the checkpoint holds records that were in flight to '%s' on an edge "
                    "that the job does not have any more: restore the job as it was, or "
                    "from a savepoint or an aligned checkpoint",
                    d->from->name);
            }
            *VEC_PUSH(&d->channels, struct deal_channel) =
                (struct deal_channel){h, s->subtask, e->partitioner->kind};
        }
    }
    return 0;
}

static bool groups_of_subtasks_meet(const struct deal *d, uint32_t old, uint32_t subtask)
{
    uint32_t first, last, from, to;
    key_group_range(subtask, d->max_parallelism, d->parallelism, &first, &last);
    key_group_range(old, d->from->max_parallelism, d->from->parallelism, &from, &to);
    return first <= to && last >= from;
}

static bool is_for(const struct deal *d, const struct deal_channel *c, uint32_t subtask)
{
    if (PLANTED("snapshot.channels_to_two") && (c->subtask + 1) % d->parallelism == subtask) {
        return true;
    }
    switch (c->kind) {
    case HASH:
        if (PLANTED("snapshot.hash_channels_by_number")) {
            return c->subtask == subtask;
        }
        return c->handle->partitioner != HASH || groups_of_subtasks_meet(d, c->subtask, subtask);
    case FLINC__PARTITIONER_KIND__PARTITION_GLOBAL:
        return subtask == 0;
    default:
        return (PLANTED("snapshot.channels_by_number") ? c->subtask
                                                       : c->subtask % d->parallelism) == subtask;
    }
}

void deal_channels_to(struct deal *d, uint32_t subtask, Flinc__OperatorSubtaskState *to)
{
    for (size_t i = 0; i < d->channels.len; i++) {
        const struct deal_channel *c = VEC_AT(&d->channels, struct deal_channel, i);
        if (!is_for(d, c, subtask)) {
            continue;
        }
        if (to->channels == NULL) {
            to->channels = arena_alloc(d->arena, d->channels.len * sizeof(*to->channels));
        }
        to->channels[to->n_channels++] = c->handle;
    }
}
