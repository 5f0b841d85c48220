/* Dealing the state of one operator to the subtasks of its new parallelism.  Inside the room only. */
#ifndef FLINC_ENGINE_SNAPSHOT_ASSIGN_DEAL_H
#define FLINC_ENGINE_SNAPSHOT_ASSIGN_DEAL_H

#include "common/base/mem.h"
#include "engine/snapshot/metadata.h"

struct deal_state; /* a named operator state over all old subtasks */
struct deal_source;

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
    struct vec dealt;                      /* while dealing: what a subtask has got */
};

int deal_init(struct deal *d, struct arena *arena, const Flinc__OperatorSnapshot *from,
              uint32_t parallelism, uint32_t max_parallelism, struct error *err) MUST_CHECK;
/* Union lists whose handles have more bytes than this, all together, are left to the tasks. */
void deal_refer_to_unions(struct deal *d, uint64_t more_than_bytes);
void deal_fini(struct deal *d);
/* What a new subtask gets; NULL: nothing. */
Flinc__OperatorSubtaskState *deal_to(struct deal *d, uint32_t subtask);

#endif
