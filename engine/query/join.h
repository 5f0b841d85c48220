/* Joins of two bounded inputs in memory.
 *
 *   HOLDING both inputs ── one of them has ended: it is the built one ──► PROBING with the rows held of the other, then with what comes
 *   of it ── both have ended ──► REST: rows of the built one that wait for that ──► done
 *
 * Whichever input ends first is built, so that no more is held than must be; NOT IN needs all of the right one first.  A probe row meets
 * its candidates (rows of the same hash; without keys all rows) pair by pair, in chunks; conditions are a program over chunks.
 * Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_JOIN_H
#define FLINC_ENGINE_QUERY_JOIN_H

#include "engine/query/groups.h"
#include "engine/query/inside.h"
#include "engine/query/rows.h"

enum { JOIN_LEFT, JOIN_RIGHT, JOIN_INPUTS, JOIN_CHUNK = BATCH_ROWS_TARGET };

/* The built rows by the hash of their keys: chains in the order of rows. */
struct join_table {
    struct buffer *heads;  /* Owns: uint32_t, row + 1; 0: none */
    struct buffer *nexts;  /* Owns: uint32_t by row, the same */
    struct buffer *hashes; /* Owns: uint32_t by row, the low half */
    struct buffer *met;    /* Owns: uint8_t by row: it has a match */
    uint64_t mask;
};

struct join_operator {
    struct operator base;
    Flinc__QueryJoinConfig *config; /* Owns */
    struct buffer_pool *memory;     /* Owns */
    struct query_rows rows[JOIN_INPUTS];
    bool has_ended[JOIN_INPUTS];
    int built; /* JOIN_LEFT or JOIN_RIGHT; -1: none yet */
    struct join_table table;
    struct query_program program; /* the conditions */
    struct schema *joined;        /* Owns a ref: left, then right */
    bool right_has_null;          /* null_aware: a key of the right one is NULL */

    /* The probe batch at hand. */
    struct batch *probe; /* Owns; NULL: none */
    uint32_t row;        /* its row that is being joined, by selection */
    uint32_t candidate;  /* the next built row to look at, + 1; 0: the row is not begun */
    bool is_begun;
    uint64_t *hashes;     /* Owns: by physical row */
    uint8_t *met;         /* Owns: by physical row */
    uint32_t next_held;   /* batch of the rows held of the probe input */
    uint64_t next_rest;   /* row of the built input */
    uint16_t *pair_probe; /* Owns: JOIN_CHUNK pairs */
    uint32_t *pair_built;
};

#endif
