/* Filling one state with what segments have of it; of keyed_restore.c. */
#ifndef FLINC_ENGINE_STATE_KEYED_LOADER_H
#define FLINC_ENGINE_STATE_KEYED_LOADER_H

#include "engine/state/keyed_snapshot.h"

/* A state that some segment has. */
struct restored_state {
    char *name; /* Owns */
    bool is_loaded;
};

struct keyed_restored {
    Flinc__OperatorSubtaskState *handles; /* Owns */
    char *directory;                      /* Owns */
    uint64_t checkpoint_id;
    struct vec states; /* struct restored_state; Owns */
};

/* PUT rows of one namespace that come one after another. */
struct rows_ahead {
    int64_t name_space;
    uint64_t n_left; /* 0: there are none */
    uint64_t n_seen; /* before those, */
    uint64_t n_new;  /* of which so many were of keys that were not there */
};

/* Filling one state. */
struct loader {
    struct keyed_state *state;         /* Borrows */
    const struct keyed_restored *from; /* Borrows */
    const Flinc__KeyedHandle *handle;  /* Borrows: at hand */
    uint32_t first_group, last_group;  /* wanted of it */
    struct schema_migration *values;   /* Owns: of the segment at hand; NULL: not needed */
    const struct schema *old_values;   /* Borrows: the segment's */
    bool adds_stamps;                  /* its entries have no time stamp, those of the state do */
    int64_t now_ms;                    /* which is this one */
    uint32_t *key_columns;             /* Owns: 0, 1, ... */
    struct rows_ahead ahead;           /* in the segment at hand */
    bool is_first;                     /* which is the first one, a base: its keys are all new */
    bool has_rows;                     /* segments have some */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

struct loader *loader_new(struct keyed_state *s);
void loader_free(struct loader *l);
/* ERR_STATE: names the state, its operator and the checkpoint. */
int loader_misfit(const struct loader *l, struct error *err, const char *why);
/* Compares a state as it was written with the one that is being opened. */
int loader_begin(struct loader *l, const struct segment_state *old, struct error *err) MUST_CHECK;
int loader_add_block(struct loader *l, struct segment_block *block, struct error *err) MUST_CHECK;
/* The groups from l->first_group to l->last_group of l->handle. */
int loader_add_handle(struct loader *l, struct error *err) MUST_CHECK;

#endif
