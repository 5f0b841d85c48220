/* Dealing the state of one operator to the subtasks of its new parallelism.  Inside the room only. */
#ifndef FLINC_ENGINE_SNAPSHOT_ASSIGN_DEAL_H
#define FLINC_ENGINE_SNAPSHOT_ASSIGN_DEAL_H

#include "common/base/mem.h"
#include "engine/snapshot/metadata.h"

struct deal_state; /* a named operator state over all old subtasks */
struct deal_source;

/* What was in flight on an edge into an old subtask. */
struct deal_channel {
    Flinc__ChannelStateHandle *handle; /* Borrows */
    uint32_t subtask;                  /* old */
    Flinc__PartitionerKind kind;       /* of the edge as it is now */
};

/* One operator's old state, made ready for dealing. */
struct deal {
    struct arena *arena; /* Borrows: what is dealt out lives there, and borrows from the snapshot */
    const Flinc__OperatorSnapshot *from;
    uint32_t parallelism, max_parallelism; /* new */
    struct vec keyed;                      /* Flinc__KeyedHandle *, all */
    bool keyed_in_order;                   /* of their key groups, which none shares */
    struct vec sources;                    /* struct deal_source: operator state handles */
    struct vec states;                     /* struct deal_state */
    bool unions_in_metadata;               /* they are not dealt out: deal_refer_to_unions() */
    struct vec channels;                   /* struct deal_channel: what was in flight */
    struct vec dealt;                      /* while dealing: what a subtask has got */
};

int deal_init(struct deal *d, struct arena *arena, const Flinc__OperatorSnapshot *from,
              uint32_t parallelism, uint32_t max_parallelism, struct error *err) MUST_CHECK;
/* Union lists whose handles have more bytes than this, all together, are left to the tasks. */
void deal_refer_to_unions(struct deal *d, uint64_t more_than_bytes);
/* Adds what was in flight on the edges into the operator.  ERR_INVALID_ARGUMENT: an edge that the graph does
 * not have. */
int deal_add_channels(struct deal *d, const Flinc__JobGraph *graph, struct error *err) MUST_CHECK;
void deal_fini(struct deal *d);
/* assign_channels.c: what a new subtask gets of that. */
void deal_channels_to(struct deal *d, uint32_t subtask, Flinc__OperatorSubtaskState *to);
/* What a new subtask gets; NULL: nothing. */
Flinc__OperatorSubtaskState *deal_to(struct deal *d, uint32_t subtask);

#endif
